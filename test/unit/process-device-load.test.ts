/**
 * Loading JavaScript modules on a process device, and everything that one may be given wrongly: refused with a typed error
 * before anything changes, and the device works on.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import {
  type ArgumentKind,
  openMirror,
  type ProcessDeviceOptions,
  ProgramError,
  processDevice,
} from 'mirrorspace';
import { type ProcessMirror, processKernels, withProcess } from '../fixtures/with-process.ts';

const fixture = (name: string): URL => new URL(`../fixtures/process/${name}`, import.meta.url);

async function assertWorks({ mirror, proc, program }: ProcessMirror): Promise<void> {
  const counter = mirror.alloc(4);
  await proc.queue.launch(program.kernel('increment', ['pointer']), { items: 100, chunk: 1, args: [counter] })
    .done;
  assert.equal(counter.view(Int32Array)[0], 100);
  counter.free();
}

const refused = (reason: string, words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof ProgramError, String(error));
  assert.equal(error.reason, reason, error.message);
  assert.match(error.message, words);
  return true;
};

describe('load on a process device', () => {
  it('lists the functions that are kernels, and gives the same program for the same module', () =>
    withProcess(async ({ proc, program }) => {
      assert.ok(program.kernels.includes('add'));
      for (const no of ['later', 'generated', 'Thing', 'number', 'Node'])
        assert.ok(!program.kernels.includes(no));
      assert.equal(await proc.load(processKernels), program);
      assert.throws(() => program.kernel('later', []), refused('unknown-kernel', /async function/));
      assert.throws(() => program.kernel('generated', []), refused('unknown-kernel', /generator/));
      assert.throws(() => program.kernel('Thing', []), refused('unknown-kernel', /a class/));
      assert.throws(() => program.kernel('nothing', []), refused('unknown-kernel', /it has add, /));
    }));

  it('takes modules with imports and top-level awaits, several of them, and source text', () =>
    withProcess(async (on) => {
      const { mirror, proc } = on;
      const text = new TextEncoder().encode(
        'export function twice(begin, end) { if (begin !== 0) throw end; }',
      );
      const [late, typed, bytes] = await Promise.all([
        proc.load(fixture('late.js')),
        proc.load(new URL('data:text/javascript,export function one() {}')),
        proc.load(text),
      ]);
      const out = mirror.alloc(4);
      await proc.queue.launch(late.kernel('store', ['pointer']), { items: 1, args: [out] }).done;
      assert.equal(out.view(Int32Array)[0], 42);
      await proc.queue.launch(typed.kernel('one', []), { items: 1, args: [] }).done;
      await proc.queue.launch(bytes.kernel('twice', []), { items: 1, args: [] }).done;
      await assertWorks(on);
    }));

  it('refuses what is no module, and says why', () =>
    withProcess(async (on) => {
      const { proc } = on;
      const javascript = (text: string) => new URL(`data:text/javascript,${encodeURIComponent(text)}`);
      await assert.rejects(proc.load(fixture('there-is-none.js')), refused('not-found', /could not be read/));
      await assert.rejects(proc.load(fixture('no-kernels.js')), refused('no-kernels', /'Thing' is a class/));
      await assert.rejects(
        proc.load(fixture('throws.js')),
        refused('instantiate', /does not want to be imported/),
      );
      await assert.rejects(
        proc.load(fixture('missing-import.js')),
        refused('instantiate', /there-is-no-such-file/),
      );
      await assert.rejects(proc.load(fixture('never-settles.js')), refused('instantiate', /never settles/));
      await assert.rejects(
        proc.load(fixture('wild-at-import.js')),
        refused('instantiate', /write at 0x300000000/),
      );
      await assert.rejects(
        proc.load(fixture('differs.js')),
        refused('changed', /something else on each core/),
      );
      await assert.rejects(proc.load(javascript('export function (')), refused('compile', /SyntaxError/));
      await assert.rejects(
        proc.load(javascript("import { nothing } from 'node:fs'; export function f() {}")),
        refused('compile', /nothing/),
      );
      await assert.rejects(proc.load(javascript('throw "text"')), refused('instantiate', /text/));
      for (const wrong of ['kernels.js', 7, null, undefined, {}] as never[])
        await assert.rejects(proc.load(wrong), { code: 'ERR_INVALID_ARG_TYPE' });
      await assert.rejects(proc.load(new URL('https://example.com/kernels.js')), {
        code: 'ERR_OUT_OF_RANGE',
      });
      await assertWorks(on);
    }));

  it('checks the kinds of a kernel, and its arguments', () =>
    withProcess(async ({ proc, program }) => {
      for (const wrong of [undefined, 'pointer', [7], [null]] as never[])
        assert.throws(() => program.kernel('add', wrong), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => program.kernel('add', ['int'] as never), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => program.kernel('add', ['pointer', 'pointer']), /3 kinds/);
      assert.throws(() => program.kernel(7 as never, []), { code: 'ERR_INVALID_ARG_TYPE' });
      const kinds: ArgumentKind[] = ['pointer', 'u32', 'i32', 'u64', 'i64', 'f32', 'f64', 'pointer'];
      const kernel = program.kernel('kinds', kinds);
      const good: unknown[] = [65536, 1, 1, 1, 1, 1, 1, 65536];
      for (const [i, value] of [
        [0, 2 ** 47],
        [0, -1],
        [0, 1.5],
        [1, 2 ** 32],
        [2, 2 ** 31],
        [3, -1],
        [3, 2n ** 64n],
        [4, 2n ** 63n],
      ] as const) {
        const args = good.with(i, value) as never;
        assert.throws(() => proc.queue.launch(kernel, { items: 1, args }), { code: 'ERR_OUT_OF_RANGE' });
      }
      for (const i of good.keys()) {
        const args = good.with(i, 'text') as never;
        assert.throws(() => proc.queue.launch(kernel, { items: 1, args }), { code: 'ERR_INVALID_ARG_TYPE' });
      }
    }));

  it('refuses a module that has changed when it is imported again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'process-load-'));
    try {
      const file = join(folder, 'kernels.mjs');
      writeFileSync(file, 'export function one() {}');
      await withProcess(async ({ proc }) => {
        const program = await proc.load(pathToFileURL(file));
        await proc.queue.launch(program.kernel('one', []), { items: 1, args: [] }).done;
        writeFileSync(file, 'export function other() {}');
        const awake = setInterval(() => {}, 1000);
        process.kill(proc.pid, 'SIGKILL');
        await proc.lost;
        clearInterval(awake);
        await assert.rejects(proc.reopen(), refused('changed', /it exported one, and now other/));
        writeFileSync(file, 'export function one() {}');
        await proc.reopen();
        await proc.queue.launch(program.kernel('one', []), { items: 1, args: [] }).done;
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('takes TypeScript where Node does, and says where it does not', () =>
    withProcess(async ({ mirror, proc }) => {
      if (!Object(process.features).typescript) {
        await assert.rejects(proc.load(fixture('typed.ts')), refused('compile', /compile it to JavaScript/));
        return;
      }
      const program = await proc.load(fixture('typed.ts'));
      const out = mirror.alloc(400);
      await proc.queue.launch(program.kernel('spans', ['pointer']), { items: 100, args: [out] }).done;
      assert.deepEqual(
        [...out.view(Uint32Array)],
        Array.from({ length: 100 }, (_, i) => 3 * i),
      );
    }));

  it('passes flags on to its Node', () =>
    withProcess(
      async ({ proc }) => {
        const source = 'export function f() { if (typeof gc !== "function") throw new Error("no gc"); }';
        const program = await proc.load(new TextEncoder().encode(source));
        await proc.queue.launch(program.kernel('f', []), { items: 1, args: [] }).done;
      },
      { execArgv: ['--expose-gc'] },
    ));
});

describe('processDevice', () => {
  it('checks its options before anything starts', () => {
    const types: ProcessDeviceOptions[] = [
      null,
      7,
      { cores: '2' },
      { window: 7 },
      { window: [1] },
      { window: ['0', 1] },
      { reserved: {} },
      { reserved: [null] },
      { reserved: [{ start: 0, end: 1 }] },
      { faults: 1 },
      { system: true },
      { execArgv: '--expose-gc' },
      { execArgv: [1] },
    ] as never[];
    for (const options of types)
      assert.throws(() => processDevice(options), { code: 'ERR_INVALID_ARG_TYPE' }, JSON.stringify(options));
    const ranges: ProcessDeviceOptions[] = [
      { cores: 0 },
      { cores: 17 },
      { cores: 1.5 },
      { window: [0, 2 ** 47] },
      { window: [65536, 2 ** 48] },
      { window: [2 ** 36, 2 ** 36] },
      { reserved: [{ start: 5, end: 5, name: 'x' }] },
      { faults: 'none' },
      { system: 'some' },
    ] as never[];
    for (const options of ranges)
      assert.throws(() => processDevice(options), { code: 'ERR_OUT_OF_RANGE' }, JSON.stringify(options));
    for (const system of ['off', 'read', 'all'] as const) processDevice({ system });
  });

  it('opens nothing where a flag is wrong', async () => {
    const devices = { proc: processDevice({ execArgv: ['--there-is-no-such-flag'] }) };
    await assert.rejects(openMirror({ devices }), { code: 'ERR_MIRROR_DEVICE_LOST' });
  });
});
