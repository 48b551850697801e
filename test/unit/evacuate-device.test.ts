/**
 * What an evacuation is for: memory of this process that a device does not reach where it lies, and reaches afterwards. The
 * device is another process that reads this one's memory at the same addresses, but in its window only.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { GiB, openMirror, processDevice } from 'mirrorspace';
import { munmap } from '../../src/linux/mmap.ts';
import { hostPages, PAGE, withSystem } from '../fixtures/system.ts';

const WINDOW = [4 * GiB, 5 * GiB] as const;

it('memory above the window of a device is read by it once it has moved there, and as it is then', () =>
  withSystem(
    async ({ mirror, proc, read, touch }) => {
      const pages = hostPages(16, 100);
      assert.ok(pages.address > WINDOW[1]);
      await assert.rejects(async () => read(pages.address, PAGE));

      const moved = mirror.evacuate({ start: pages.address, end: pages.end });
      assert.ok(moved.start >= WINDOW[0] && moved.end <= WINDOW[1]);
      assert.deepEqual(moved.reachedBy, ['proc']);
      assert.deepEqual(
        await touch(moved.start, 16),
        Uint8Array.from({ length: 16 }, (_, i) => 100 + i),
      );
      assert.ok(proc.systemCounters().fetchedBytes >= 16 * PAGE);

      // Its neighbour there is a buffer now, and stays one.
      const buffer = mirror.alloc(PAGE, { guard: 0 });
      assert.ok(buffer.end <= moved.start || buffer.address >= moved.end);

      // The owner unmaps it: the device no longer finds it, and something else may lie there.
      munmap(moved.start, moved.size);
      const next = hostPages(16, 50);
      const again = mirror.evacuate({ start: next.address, end: next.end }, { place: { at: moved.start } });
      assert.equal(again.start, moved.start);
      assert.deepEqual(
        await touch(again.start, 16),
        Uint8Array.from({ length: 16 }, (_, i) => 50 + i),
      );
      munmap(again.start, again.size);
    },
    { window: WINDOW },
  ));

it('names the devices that reach it afterwards: those of this process, and none that maps buffers only', async () => {
  const devices = {
    off: processDevice({ cores: 1 }),
    read: processDevice({ cores: 1, system: 'read', window: WINDOW }),
    all: processDevice({ cores: 1, system: 'all', window: WINDOW }),
    declared: processDevice({ cores: 1, system: 'all', faults: 'trap', window: WINDOW }),
    far: processDevice({ cores: 1, system: 'all', window: [8 * GiB, 9 * GiB] }),
  };
  await using mirror = await openMirror({ name: `evacuate-${process.pid}`, devices });
  const pages = hostPages(4, 1);
  const near = ['off', 'read', 'all', 'declared'];
  const moved = mirror.evacuate({ start: pages.address, end: pages.end }, { devices: near });
  assert.ok(moved.start >= WINDOW[0] && moved.end <= WINDOW[1]);
  assert.deepEqual(moved.reachedBy, ['read', 'all']);
  munmap(moved.start, moved.size);
});
