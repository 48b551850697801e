/**
 * A process device without userfaultfd, and with few addresses: buffers work as ever, and an access elsewhere costs the
 * device, and nothing else.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { DeviceLost } from 'mirrorspace';
import { runProgram } from '../fixtures/run-child.ts';
import { withProcess } from '../fixtures/with-process.ts';

const WILD = 0x3_0000_0000;

describe("a process device with faults: 'trap'", () => {
  it('shares buffers that come and go, and copies and fills them', () =>
    withProcess(
      async ({ mirror, proc, program }) => {
        assert.equal(proc.faults, 'trap');
        const increment = program.kernel('increment', ['pointer']);
        for (let round = 0; round < 20; round++) {
          const counter = mirror.alloc(4096);
          await proc.queue.fill(counter, 0).done;
          await proc.queue.launch(increment, { items: 100, chunk: 1, args: [counter] }).done;
          assert.equal(counter.view(Int32Array)[0], 100);
          const copy = mirror.alloc(4096);
          await proc.queue.copy(copy, counter).done;
          assert.equal(copy.view(Int32Array)[0], 100);
          counter.free();
          if (round % 2 === 0) copy.free();
        }
      },
      { faults: 'trap' },
    ));

  it('loses the device at a wild access, and at a store to what it may only read; it can be reopened', () =>
    withProcess(
      async ({ mirror, proc, program }) => {
        const store = program.kernel('storeAt', ['pointer', 'i32']);
        const kept = mirror.alloc(4096, { access: { proc: 'read' } });
        kept.view(Int32Array).fill(3);
        const freed = mirror.alloc(4096);
        await proc.queue.launch(store, { items: 1, args: [freed, 1] }).done;
        const { address } = freed;
        freed.free();
        for (const where of [WILD, address, kept.address]) {
          await assert.rejects(proc.queue.launch(store, { items: 1, args: [where, 1] }).done, DeviceLost);
          await proc.reopen();
        }
        assert.ok(kept.view(Int32Array).every((word) => word === 3));
        // What is refused before the access is a fault as ever.
        await assert.rejects(proc.queue.launch(store, { items: 1, args: [0, 1] }).done, { address: 0 });
        const out = mirror.alloc(4);
        await proc.queue.launch(program.kernel('loadAt', ['pointer', 'pointer']), {
          items: 1,
          args: [kept, out],
        }).done;
        assert.equal(out.view(Int32Array)[0], 3);
      },
      { faults: 'trap' },
    ));

  it('is what a process gets that is refused userfaultfd, with a warning that says so', async () => {
    const { end, said, stderr } = await runProgram('process-refused.mjs', []);
    assert.equal(end, 0, stderr);
    const [{ mode, counted, warnings, userfaultfd, system }] = said as [
      {
        mode: string;
        counted: number;
        warnings: { name: string; message: string }[];
        userfaultfd: unknown;
        system: unknown;
      },
    ];
    assert.equal(mode, 'trap');
    assert.equal(counted, 100);
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]!.name, 'MirrorspaceWarning');
    assert.match(warnings[0]!.message, /lost at an access outside of buffers.*seccomp/);
    assert.deepEqual(userfaultfd, {
      code: 'ERR_MIRROR_UNSUPPORTED',
      missing: 'userfaultfd',
      errno: 'EPERM',
    });
    // System SVM by faults: there is none without them.
    assert.deepEqual(system, userfaultfd);
  });
});

it('a process device that may have few addresses says so, and works with a small window', async () => {
  const path = fileURLToPath(new URL('../fixtures/programs/process-limited.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    'ulimit -v 30000000 && exec "$0" "$1"',
    process.execPath,
    path,
  ]);
  const { all, narrow, system, narrowSystem } = JSON.parse(stdout);
  assert.equal(all.missing, 'address space');
  assert.equal(all.errno, 'ENOMEM');
  assert.match(all.message, /smaller window/);
  assert.deepEqual(narrow, { counted: 100 });
  // So it is where it is to reach system memory: no fall into declared mode, which needs as many.
  assert.deepEqual([system.missing, system.errno], [all.missing, all.errno]);
  assert.match(system.message, /smaller window/);
  assert.deepEqual(narrowSystem, { counted: 100 });
});
