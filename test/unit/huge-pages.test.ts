/**
 * Huge pages are best effort: what was got is what /proc/self/smaps says, and there is a reason where it is not all.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MiB } from 'mirrorspace';
import { parseSmaps } from '../../src/mm/parse-smaps.ts';
import { withMirror } from '../fixtures/with-mirror.ts';

test('what smaps says of huge pages is added up by mapping', () => {
  const text = `00400000-00401000 r--p 00000000 fd:00 1234  /usr/bin/node
Size:                  4 kB
AnonHugePages:         0 kB
7f0000000000-7f0000400000 rw-s 7f0000000000 00:01 5  /memfd:mirror (deleted)
Rss:                4096 kB
AnonHugePages:         0 kB
ShmemPmdMapped:     2048 kB
FilePmdMapped:      2048 kB
VmFlags: rd wr sh mr mw me ms hg
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]
`;
  assert.deepEqual(parseSmaps(text).slice(0, 2), [
    { start: 0x400000, end: 0x401000, huge: 0 },
    { start: 0x7f0000000000, end: 0x7f0000400000, huge: 4 * MiB },
  ]);
  assert.deepEqual(parseSmaps('nonsense\nShmemPmdMapped: 4 kB\n'), []);
});

test('a buffer says how much of it has huge pages, and why not all', () =>
  withMirror(async ({ mirror }) => {
    let setting: string | undefined;
    try {
      const file = '/sys/kernel/mm/transparent_hugepage/shmem_enabled';
      setting = /\[(\w+)\]/.exec(readFileSync(file, 'utf8'))?.[1];
    } catch {
      // A kernel without them.
    }
    const buffer = mirror.alloc(8 * MiB, { hugePages: true });
    assert.equal(buffer.address % (2 * MiB), 0, 'a place that is aligned to them');
    buffer.bytes.fill(1);
    const { asked, bytes, reason } = buffer.hugePages;
    const mapping = parseSmaps(readFileSync('/proc/self/smaps', 'utf8')).find(
      ({ start }) => start === buffer.address,
    );
    assert.equal(asked, true);
    assert.equal(bytes, mapping?.huge);
    if (setting === 'never' || setting === 'deny') {
      assert.equal(bytes, 0);
      assert.match(reason!, /shmem_enabled is '(never|deny)'/);
    } else if (bytes < buffer.size) {
      assert.ok(reason);
    }
    const small = mirror.alloc(4096, { hugePages: true });
    assert.equal(small.hugePages.bytes, 0);
    assert.ok(small.hugePages.reason);
    assert.match(mirror.alloc(4096).hugePages.reason!, /not asked/);
    small.free();
    assert.throws(() => small.hugePages, { name: 'StateError', state: 'freed' });
  }));

test('huge pages are done without where no place is aligned to them', () =>
  withMirror(async ({ mirror }) => {
    const plan = mirror.plan(4 * MiB, { hugePages: true });
    assert.ok(plan.ok);
    assert.equal(plan.placement.address % (2 * MiB), 0);
    const place = { within: [plan.placement.address + 4096, plan.placement.address + 4 * MiB] as const };
    const buffer = mirror.alloc(3 * MiB, { hugePages: true, place });
    assert.equal(buffer.address, plan.placement.address + 4096);
  }));
