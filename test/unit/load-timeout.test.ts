/**
 * Programs that do not come back while they are loaded: a library whose constructor hangs, which nothing but the end of its
 * process ends, and a module whose top level does. Each real; the device comes back without them.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { DeviceLost, TimeoutError } from 'mirrorspace';
import { ownFunctions, ownLibrary, withoutC } from '../fixtures/native-library.ts';
import { eventually, isRunning } from '../fixtures/proc.ts';
import { kill, withProcess } from '../fixtures/with-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'load-timeout-'));
after(() => rmSync(folder, { recursive: true }));
/** As long as it is there, the library hangs when it is loaded. */
const hangs = join(folder, 'hangs');
process.env.MIRRORSPACE_HANG_WHILE = hangs;

const late = (words: string, timeout: number) => (error: unknown) => {
  assert.ok(error instanceof TimeoutError, String(error));
  assert.deepEqual([error.code, error.errno, error.timeout], ['ERR_MIRROR_TIMEOUT', 'ETIMEDOUT', timeout]);
  assert.ok(error.message.includes(words), error.message);
  return true;
};

describe('load with a timeout', () => {
  it(
    'ends a library that hangs while it is loaded, by name, and the device comes back',
    { skip: withoutC },
    () =>
      withProcess(async ({ mirror, proc }) => {
        const source = { library: ownLibrary(), functions: ownFunctions };
        const { pid, lost } = proc;
        const kept = mirror.alloc(4096);
        kept.bytes.fill(9);
        writeFileSync(hangs, '');
        await assert.rejects(proc.load(source, { timeout: 300 }), late(ownLibrary(), 300));
        const loss = await lost;
        assert.ok(loss instanceof DeviceLost);
        assert.ok(loss.reason.includes(`loading library '${ownLibrary()}'`), loss.reason);
        await eventually('its process has ended', () => !isRunning(pid));
        rmSync(hangs);

        // It is on its way back already: this waits for it.
        const library = await proc.load(source, { timeout: 60_000 });
        assert.notEqual(proc.pid, pid);
        const out = mirror.alloc(4);
        await proc.queue.launch(library.kernel('getpid'), { items: 1, args: [out] }).done;
        assert.equal(out.view(Int32Array)[0], proc.pid);
        assert.ok(kept.bytes.every((byte) => byte === 9));
      }),
  );

  it('holds when the library is loaded again with its device, too', { skip: withoutC }, () =>
    withProcess(async ({ mirror, proc }) => {
      const source = { library: ownLibrary(), functions: ownFunctions };
      const library = await proc.load(source, { timeout: 6000 });
      writeFileSync(hangs, '');
      await kill(proc);
      await assert.rejects(proc.reopen(), late(ownLibrary(), 6000));
      rmSync(hangs);
      await proc.reopen();
      const out = mirror.alloc(4);
      await proc.queue.launch(library.kernel('getpid'), { items: 1, args: [out] }).done;
      assert.equal(out.view(Int32Array)[0], proc.pid);
    }),
  );

  it('ends a module whose top level never ends, and costs the commands of the device', () =>
    withProcess(async ({ mirror, proc, program }) => {
      const endless = new TextEncoder().encode('for (;;);\nexport function never() {}');
      const forever = program.kernel('forever', ['pointer']);
      const word = mirror.alloc(4);
      const command = proc.queue.launch(forever, { items: 1, args: [word] });
      await assert.rejects(proc.load(endless, { timeout: 300 }), late("loading module 'data:", 300));
      await assert.rejects(command.done, DeviceLost);
      await proc.queue.fill(word, 3).done;
      assert.equal(word.view(Int32Array)[0], 0x03030303);
    }));

  it('is no limit to what is done in time, and takes what is a time', () =>
    withProcess(async ({ proc }) => {
      const { pid } = proc;
      const quick = (name: string): Uint8Array => new TextEncoder().encode(`export function ${name}() {}`);
      for (const timeout of [60_000, 2 ** 40, Number.POSITIVE_INFINITY])
        assert.deepEqual((await proc.load(quick(`in${timeout}`), { timeout })).kernels, [`in${timeout}`]);
      const kind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
      const value = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
      for (const options of [7, null, 'soon', { timeout: '5' }, { timeout: null }])
        await assert.rejects(proc.load(quick('no'), options as never), kind, JSON.stringify(options));
      for (const timeout of [-1, Number.NaN])
        await assert.rejects(proc.load(quick('no'), { timeout }), value);
      assert.equal(proc.pid, pid);
    }));
});
