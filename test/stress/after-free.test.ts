/**
 * After free: whoever kept a view of a freed buffer reads zeros, writes to nobody, and lives. That holds for
 * native work in flight too, on every version of Node: MIRRORSPACE_NODES=20,22,24,26, or the running one.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GiB, MiB } from 'mirrorspace';
import { majorOf, nodes, runProgram } from '../fixtures/run-child.ts';

const PAGE = 4096;
const REFUSED = { refused: true, foreign: 0, again: true };

for (const { name, node } of nodes()) {
  /** Runs the scenario; it must have come to its end. */
  const run = async (scenario: string, ...args: string[]): Promise<unknown[]> => {
    const { end, said, stderr } = await runProgram('after-free.mjs', [scenario, ...args], { node });
    assert.equal(end, 0, `${scenario}: ${stderr}`);
    return said;
  };

  describe(`after free, on ${name},`, () => {
    test('stale views read no byte of another buffer and change none, and keep their addresses from reuse', async () => {
      const [found] = await run('stale');
      assert.deepEqual(found, {
        control: true,
        before: 0,
        collected: true,
        after: 32,
        intact: true,
        foreign: [],
        lengths: [4 * PAGE],
      });
    });

    for (const way of ['gzip', 'stream']) {
      test(`zlib in flight (${way}) packs the bytes of before or zeros, whenever the free comes`, async () => {
        const [rounds] = (await run('gzip', way)) as [{ own: boolean }[]];
        const expected = { ...REFUSED, length: 4 * MiB };
        assert.deepEqual(
          rounds.map(({ own: _, ...rest }) => rest),
          [expected, expected, expected, expected],
        );
        assert.equal(rounds[1]!.own, false, 'it began after the free');
      });
    }

    test('fs.write in flight writes zeros to the file, and nothing of a later buffer', async () => {
      assert.deepEqual(await run('write'), [{ ...REFUSED, count: 8 * MiB }]);
    });

    test('200,000 buffers are allocated, viewed and freed without a turn of the event loop', async () => {
      const [loop, end] = await run('synchronous', '200000');
      assert.deepEqual(loop, {
        dirty: 0,
        mappings: true,
        quarantined: 200_000,
        collected: true,
        intact: true,
      });
      assert.deepEqual(end, { arena: 0 });
    });

    test('a window full of what may still be viewed is refused with that reason, until it is collected', async () => {
      const [full, later] = (await run('exhausted')) as [Record<string, unknown>, unknown];
      const { text, ...rest } = full;
      assert.deepEqual(rest, {
        made: 32,
        reason: 'exhausted',
        totalFree: 0,
        quarantinedBytes: 64 * PAGE,
        waits: [{ kind: 'wait', bytes: 2 * PAGE, address: 3 * GiB }],
      });
      assert.match(String(text), /quarantined +256 KiB/);
      assert.deepEqual(later, { again: true, at: 3 * GiB, left: 0 });
    });

    test('a view whose ArrayBuffer was transferred is safe for ever, since its addresses are not used again', async () => {
      const [found] = (await run('transferred')) as [Record<string, object>];
      const ways = ['stream', 'reader', ...(majorOf(node) >= 22 ? ['transfer'] : [])];
      assert.deepEqual(Object.keys(found), ways);
      for (const way of ways)
        assert.deepEqual(found[way], {
          same: true,
          reused: false,
          zero: true,
          wait: false,
          owner: `${way} (freed; its view was transferred)`,
        });
    });

    test('views outlive the mirror, and their collection touches no file that was opened since', async () => {
      assert.deepEqual(await run('closed'), [
        { before: 100 * PAGE, collected: true, left: 50 * PAGE, intact: true, lengths: [PAGE] },
      ]);
    });
  });
}
