// Compiles the AssemblyScript kernels of the tests to WebAssembly, unless they are newer than their sources.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const sources = new URL('../test/fixtures/kernels/', import.meta.url);
const built = new URL('build/', sources);
mkdirSync(built, { recursive: true });

// One imported shared memory of 4 GiB (the device's window), no allocator, static data at 64 KiB or above.
const flags =
  '--importMemory --sharedMemory --initialMemory 65536 --maximumMemory 65536 --enable threads --runtime stub -O3 --noAssert'.split(
    ' ',
  );

for (const file of readdirSync(sources).filter((name) => name.endsWith('.ts'))) {
  const source = new URL(file, sources);
  const target = new URL(file.replace(/\.ts$/, '.wasm'), built);
  const self = fileURLToPath(import.meta.url);
  if (
    existsSync(target) &&
    [source, self].every((from) => statSync(from).mtimeMs <= statSync(target).mtimeMs)
  )
    continue;
  const text = readFileSync(source, 'utf8');
  // A first line `// memoryBase N` links the module's static data elsewhere than at 64 KiB.
  const base = /^\/\/ memoryBase (\d+)/.exec(text)?.[1] ?? '65536';
  const { error, stderr } = await asc.main([file, '--outFile', 'out.wasm', '--memoryBase', base, ...flags], {
    readFile: (name) => (name === file ? text : null),
    writeFile: (_name, contents) => writeFileSync(target, contents),
    listFiles: () => [],
  });
  if (error) {
    console.error(`${fileURLToPath(source)} does not compile:\n${stderr.toString()}`);
    process.exit(1);
  }
}
