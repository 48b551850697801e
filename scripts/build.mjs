// Builds the package into dist/: declarations by the TypeScript compiler, JavaScript by esbuild. The entry points are
// bundled (with shared chunks), since a device process starts anew each time and every module costs it a file.
// Everything is made beside dist/ and put in its place at the end, so that a failed build leaves the old one.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { build } from 'esbuild';
import { build as buildPage } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const made = mkdtempSync(`${root}.dist-`);
const tsc = `${root}node_modules/typescript/bin/tsc`;

try {
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', made], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = status ?? 1;
  else {
    const common = {
      absWorkingDir: root,
      outbase: 'src',
      outdir: made,
      bundle: true,
      platform: 'node',
      target: 'node20',
      sourcemap: true,
      external: ['koffi', 'assemblyscript/asc'],
      logLevel: 'warning',
    };
    await build({
      ...common,
      format: 'esm',
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
      entryPoints: [
        'src/index.ts',
        'src/mm/index.ts',
        'src/placement/index.ts',
        'src/layout/index.ts',
        'src/observe/index.ts',
        'src/observe/trace.ts',
        'src/web/index.ts',
        'src/web/live.ts',
        'src/device/index.ts',
        'src/device/conformance/index.ts',
        'src/device/conformance/kernels.ts',
        'src/device/process/conformance-kernels.ts',
        'src/device/process/kernel/index.ts',
      ],
    });
    // The threads of a device process are CommonJS, one file each: they come up about 10 ms earlier.
    await build({
      ...common,
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
      define: { 'import.meta.url': 'importMetaUrl' },
      banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
      entryPoints: [
        'src/device/wasm/entry-main.ts',
        'src/device/wasm/entry-core.ts',
        'src/device/wasm/entry-pager.ts',
        'src/device/wasm/entry-compile.ts',
        'src/device/process/entry-main.ts',
        'src/device/process/entry-core.ts',
        'src/device/process/entry-pager.ts',
        'src/device/process/system/entry-host.ts',
      ],
    });
    // The command line is one more user of the package: it imports that by name. What it uses of others is in the bundle,
    // so that whoever installs the package installs nothing for it.
    await build({
      ...common,
      format: 'esm',
      splitting: true,
      chunkNames: 'cli/[name]-[hash]',
      // Mostly commander; the sources would weigh more than it.
      sourcemap: false,
      external: ['mirrorspace', 'mirrorspace/*'],
      banner: {
        js: `#!/usr/bin/env node
import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`,
      },
      entryPoints: ['src/cli/main.ts'],
    });
    chmodSync(`${made}/cli/main.js`, 0o755);
    writeFileSync(`${made}/cli/LICENSES.txt`, licences(['commander', 'picocolors']));
    await compileConformanceKernels();
    await buildPage({
      configFile: `${root}src/page/vite-config.ts`,
      build: { outDir: `${made}/page` },
      logLevel: 'warn',
    });
    writeFileSync(`${made}/page/LICENSES.txt`, licences(['uplot']));
    const old = `${made}-old`;
    if (existsSync(`${root}dist`)) renameSync(`${root}dist`, old);
    // A folder made by mkdtemp is its maker's alone.
    chmodSync(made, 0o755);
    renameSync(made, `${root}dist`);
    rmSync(old, { recursive: true, force: true });
  }
} finally {
  rmSync(made, { recursive: true, force: true });
}

/** What those ask for whose code is in a bundle. */
function licences(packages) {
  const texts = packages.map((name) => {
    const { version } = JSON.parse(readFileSync(`${root}node_modules/${name}/package.json`, 'utf8'));
    return `${name} ${version}\n\n${readFileSync(`${root}node_modules/${name}/LICENSE`, 'utf8').trim()}\n`;
  });
  return `The files beside this one contain code of these packages.\n\n${texts.join('\n\n')}`;
}

/** The conformance suite's kernels, in AssemblyScript. They have no static data. */
async function compileConformanceKernels() {
  const folder = 'device/conformance';
  const source = readFileSync(`${root}src/${folder}/kernels.as.ts`, 'utf8');
  const files = { 'kernels.as.ts': source, 'asconfig.json': readFileSync(`${root}asconfig.json`, 'utf8') };
  mkdirSync(`${made}/${folder}`, { recursive: true });
  const flags = ['--outFile', 'kernels.wasm', '--config', 'asconfig.json'];
  const { error, stderr } = await asc.main(['kernels.as.ts', ...flags], {
    readFile: (name) => files[name] ?? null,
    writeFile: (name, contents) => writeFileSync(`${made}/${folder}/${name}`, contents),
    listFiles: () => [],
  });
  if (error) throw new Error(`the kernels of the conformance suite do not compile:\n${stderr.toString()}`);
}
