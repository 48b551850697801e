/**
 * Kernels compiled at run time: they run, the compiler's words come through, and it is no part of this process.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compileAssemblyScript, ProgramError } from 'mirrorspace';
import { withMirror } from '../fixtures/with-mirror.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, 'test/.tmp'), { recursive: true });
const folder = mkdtempSync(join(root, 'test/.tmp/compile-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const SQUARES = `
  export function squares(begin: u32, end: u32, out: usize): void {
    for (let i = begin; i < end; i++) store<u32>(out + (<usize>i << 2), i * i);
  }`;

describe('compileAssemblyScript', () => {
  it('compiles a source that stands alone to kernels that run on all cores', () =>
    withMirror(async ({ mirror, wasm }) => {
      // The program of the fixture has its static data at 64 KiB already.
      const program = await wasm.load(await compileAssemblyScript(SQUARES, { memoryBase: 0x80000 }));
      assert.deepEqual(program.kernels, ['squares']);
      const out = mirror.alloc(4000);
      await wasm.queue.launch(program.kernel('squares', ['pointer']), { items: 1000, chunk: 7, args: [out] })
        .done;
      assert.deepEqual(
        [...out.view(Uint32Array)],
        Array.from({ length: 1000 }, (_, i) => i * i),
      );
    }));

  it('compiles a file with what it imports, and puts its static data where memoryBase says', () =>
    withMirror(async ({ mirror, wasm }) => {
      writeFileSync(join(folder, 'table.ts'), 'export const TABLE: StaticArray<u32> = [11, 22, 33];');
      const main = join(folder, 'main.ts');
      writeFileSync(
        main,
        `import { TABLE } from './table';
         export function where(begin: u32, end: u32, out: usize): void {
           store<u32>(out, <u32>changetype<usize>(TABLE));
           store<u32>(out, TABLE[2], 4);
         }`,
      );
      const program = await wasm.load(
        await compileAssemblyScript(pathToFileURL(main), { memoryBase: 0x100000 }),
      );
      const out = mirror.alloc(8);
      await wasm.queue.launch(program.kernel('where', ['pointer']), { items: 1, args: [out] }).done;
      const [address, value] = out.view(Uint32Array);
      assert.ok(address! >= 0x100000 && address! < 0x100100, String(address));
      assert.equal(value, 33);
    }));

  it('takes more flags of the compiler', async () => {
    const simd = `export function splat(begin: u32, end: u32, out: usize): void { v128.store(out, i32x4.splat(7)); }`;
    await assert.rejects(compileAssemblyScript(simd), ProgramError);
    assert.ok(WebAssembly.validate(await compileAssemblyScript(simd, { flags: ['--enable', 'simd'] })));
  });

  it('says what is wrong with a source, with file and line', async () => {
    for (const [source, words] of [
      ['export function broken(begin: u32): void { let x: i32 = "text"; }', /kernels\.ts\(1,\d+\)/],
      ['export function broken(', /ERROR/],
      ['import { nothing } from "./nowhere"; nothing();', /nowhere/],
    ] as const) {
      await assert.rejects(compileAssemblyScript(source), (error) => {
        assert.ok(error instanceof ProgramError);
        assert.equal(error.reason, 'compile');
        assert.match(error.message, words);
        return true;
      });
    }
    await assert.rejects(compileAssemblyScript(pathToFileURL(join(folder, 'missing.ts'))), {
      code: 'ERR_MIRROR_PROGRAM',
      message: /missing/,
    });
  });

  it('refuses bad arguments before it starts', async () => {
    for (const [args, code] of [
      [[42], 'ERR_INVALID_ARG_TYPE'],
      [[new URL('https://localhost/x.ts')], 'ERR_OUT_OF_RANGE'],
      [['', null], 'ERR_INVALID_ARG_TYPE'],
      [['', { memoryBase: '0' }], 'ERR_INVALID_ARG_TYPE'],
      [['', { memoryBase: 0 }], 'ERR_OUT_OF_RANGE'],
      [['', { memoryBase: 65544 }], 'ERR_OUT_OF_RANGE'],
      [['', { memoryBase: 2 ** 21 }], 'ERR_OUT_OF_RANGE'],
      [['', { memoryBase: Number.NaN }], 'ERR_OUT_OF_RANGE'],
      [['', { flags: '--debug' }], 'ERR_INVALID_ARG_TYPE'],
      [['', { flags: [1] }], 'ERR_INVALID_ARG_TYPE'],
    ] as const)
      await assert.rejects(compileAssemblyScript(...(args as unknown as [string])), { code });
  });

  it('says how to get the compiler where it is not installed', () => {
    // A copy of the package with its run-time dependency alone.
    const there = join(folder, 'project/node_modules');
    for (const part of ['dist', 'assembly', 'asconfig.json', 'package.json'])
      cpSync(join(root, part), join(there, 'mirrorspace', part), { recursive: true });
    for (const part of ['koffi', '@koromix'])
      cpSync(join(root, 'node_modules', part), join(there, part), { recursive: true });
    const script = `
      import { compileAssemblyScript } from 'mirrorspace';
      await compileAssemblyScript('').catch(({ code, missing, message }) => console.log(JSON.stringify({ code, missing, message })));`;
    writeFileSync(join(folder, 'project/main.mjs'), script);
    const away = mkdtempSync(join(tmpdir(), 'compile-test-'));
    try {
      cpSync(join(folder, 'project'), away, { recursive: true });
      const { stdout, stderr } = spawnSync(process.execPath, ['main.mjs'], { cwd: away, encoding: 'utf8' });
      const said = JSON.parse(stdout || JSON.stringify({ stderr }));
      assert.deepEqual([said.code, said.missing], ['ERR_MIRROR_UNSUPPORTED', 'assemblyscript'], stderr);
      assert.match(said.message, /npm install --save-dev assemblyscript/);
    } finally {
      rmSync(away, { recursive: true, force: true });
    }
  });
});

it('a project of its own can extend the shipped asconfig.json', () => {
  const project = join(folder, 'extends');
  mkdirSync(project);
  writeFileSync(join(project, 'kernels.ts'), SQUARES);
  cpSync(join(root, 'asconfig.json'), join(project, 'base.json'));
  writeFileSync(join(project, 'asconfig.json'), JSON.stringify({ extends: './base.json' }));
  const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
  const { status, stderr } = spawnSync(process.execPath, [asc, 'kernels.ts', '--outFile', 'kernels.wasm'], {
    cwd: project,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const [memory] = WebAssembly.Module.imports(
    new WebAssembly.Module(readFileSync(join(project, 'kernels.wasm'))),
  );
  assert.deepEqual(memory, { module: 'env', name: 'memory', kind: 'memory' });
});
