/** Traces of programs that know nothing of it, by `--import mirrorspace/trace`, and of this one by a recorder. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ChromeTrace, Recorder } from 'mirrorspace/observe';
import { withMirror } from '../fixtures/with-mirror.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, 'test/.tmp'), { recursive: true });
const folder = mkdtempSync(join(root, 'test/.tmp/trace-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const program = join(root, 'test/fixtures/programs/traced.mjs');
const traced = ['--import', 'mirrorspace/trace', program];

const read = (path: string): ChromeTrace => JSON.parse(readFileSync(path, 'utf8'));

describe('a traced program', () => {
  it('runs as ever, and leaves what its mirror did', () => {
    const path = join(folder, 'plain.json');
    const { stdout, stderr, status } = spawnSync(process.execPath, traced, {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, MIRRORSPACE_TRACE: path, MIRRORSPACE_SITES: '1' },
    });
    assert.deepEqual([status, stdout], [0, 'done\n'], stderr);
    const { traceEvents } = read(path);
    const named = (name: string) => traceEvents.filter((event) => event.name === name);
    const processes = named('process_name').map(({ args }) => String(args!.name));
    assert.ok(
      processes.some((name) => name.startsWith('host (pid ')),
      processes.join(),
    );
    assert.ok(processes.includes('device proc of traced #1'), processes.join());
    const threads = named('thread_name').map(({ args }) => String(args!.name));
    for (const name of ['queue-0', 'traced #1']) assert.ok(threads.includes(name), threads.join());
    const slices = traceEvents.flatMap((event) => (event.ph === 'X' ? [event] : []));
    assert.deepEqual(
      slices.filter(({ cat }) => cat === 'launch' || cat === 'fill').map(({ name }) => name),
      ['storeAt', 'fill', 'storeAt'],
    );
    const [store, fill, wild] = slices.filter(({ cat }) => cat === 'launch' || cat === 'fill');
    assert.ok(store!.ts + store!.dur <= fill!.ts + 0.001 && store!.dur > 0);
    assert.match(String(store!.args!.site), /traced\.mjs:\d+:\d+$/);
    assert.equal((wild!.args!.error as { code: string }).code, 'ERR_MIRROR_DEVICE_FAULT');
    const arrows = traceEvents.filter(({ ph }) => ph === 's' || ph === 'f');
    assert.deepEqual(
      arrows.map(({ ph }) => ph),
      ['s', 'f'],
    );
    const live = traceEvents.flatMap((event) =>
      event.ph === 'C' && event.name === 'live bytes of traced #1' ? [event.args.value] : [],
    );
    assert.deepEqual(live, [65536, 0]);
    const resident = traceEvents.flatMap((event) =>
      event.ph === 'C' && event.name.startsWith('resident') ? [event.args.value!] : [],
    );
    assert.ok(resident.length > 0, JSON.stringify(resident));
  });

  it('that others are started by leaves a trace of each', () => {
    const path = join(folder, 'each-%p-%t.json');
    const { status, stderr } = spawnSync(process.execPath, [program, 'fork'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, MIRRORSPACE_TRACE: path, NODE_OPTIONS: '--import=mirrorspace/trace' },
    });
    assert.equal(status, 0, stderr);
    const files = readdirSync(folder).filter((name) => name.startsWith('each-'));
    assert.equal(files.length, 2, files.join());
    const pids = files.map((name) => Number(/each-(\d+)-0/.exec(name)?.[1]));
    for (const [i, file] of files.entries())
      assert.ok(read(join(folder, file)).traceEvents.some((event) => event.pid === pids[i]));
  });

  it('that is ended by a signal leaves its trace, and is ended by that signal', async () => {
    const path = join(folder, 'signal.json');
    const child = spawn(process.execPath, [...traced, 'wait'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, MIRRORSPACE_TRACE: path },
    });
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    const [, signal] = await once(child, 'exit');
    assert.equal(signal, 'SIGTERM');
    assert.ok(read(path).traceEvents.some(({ name }) => name === 'storeAt'));
  });

  it('without a mirror leaves nothing', () => {
    const path = join(folder, 'none.json');
    const { status } = spawnSync(process.execPath, ['--import', 'mirrorspace/trace', '-e', '0'], {
      cwd: root,
      env: { ...process.env, MIRRORSPACE_TRACE: path },
    });
    assert.equal(status, 0);
    assert.ok(!existsSync(path));
  });
});

describe('a recorder', () => {
  it('keeps so many events and counts the rest, until it is disposed', () =>
    withMirror(async ({ mirror }) => {
      const recorder = new Recorder({ limit: 3 });
      for (let i = 0; i < 4; i++) mirror.alloc(4096);
      recorder[Symbol.dispose]();
      mirror.alloc(4096);
      assert.deepEqual([recorder.size, recorder.missing], [3, 5]);
      assert.equal(recorder.trace().otherData.missing, 5);
      const path = join(folder, 'recorder.json');
      recorder.write(path);
      assert.deepEqual(read(path), JSON.parse(JSON.stringify(recorder.trace())));
      assert.throws(() => recorder.write(join(folder, 'no/such/folder')), { code: 'ENOENT' });
    }));

  it('refuses limits that are none', () => {
    assert.throws(() => new Recorder({ limit: 'many' as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    assert.throws(() => new Recorder({ limit: 0 }), { code: 'ERR_OUT_OF_RANGE' });
    assert.throws(() => new Recorder(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

describe('the bytes of a buffer that are in memory', () => {
  it('are those of the pages that some side has touched', () =>
    withMirror(async ({ mirror, wasm, program }) => {
      const buffer = mirror.alloc(64 * 4096);
      assert.equal(buffer.residentBytes(), 0);
      buffer.bytes[5 * 4096] = 1;
      assert.equal(buffer.residentBytes(), 4096);
      assert.deepEqual(
        [buffer.residentBytes(0, 5 * 4096), buffer.residentBytes(5 * 4096 + 100, 1)],
        [0, 4096],
      );
      const increment = program.kernel('increment', ['pointer']);
      await wasm.queue.launch(increment, { items: 1, args: [buffer.address + 40 * 4096] }).done;
      assert.ok(buffer.residentBytes(40 * 4096, 1) === 4096);
      assert.throws(() => buffer.residentBytes(-1), { code: 'ERR_OUT_OF_RANGE' });
      assert.throws(() => buffer.residentBytes(0, 65 * 4096), { code: 'ERR_OUT_OF_RANGE' });
      buffer.free();
      assert.throws(() => buffer.residentBytes(), { code: 'ERR_MIRROR_STATE' });
    }));
});
