/** /proc/PID/maps, line by line: what the kernel prints, and what nobody should send. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  formatProtection,
  GapTree,
  MAP_PRIVATE,
  MAP_SHARED,
  MapsError,
  PROT_EXEC,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  parseMaps,
} from '../../src/mm/index.ts';

const TYPICAL = `\
00400000-00b6f000 r-xp 00001000 fe:00 260689                             /usr/bin/node
2f0a4000-2f1c9000 rw-p 00000000 00:00 0                                  [heap]
7f4cd8000000-7f4cd8021000 rw-p 00000000 00:00 0 
7f4cd9000000-7f4cd9400000 rw-s 123456789000 00:01 1035                   /memfd:mirror (deleted)
7f4cda000000-7f4cda100000 ---p 00000000 00:00 0                          [anon:guard]
7ffdd2fac000-7ffdd2fcd000 rw-p 00000000 00:00 0                          [stack]
7ffdd2ff1000-7ffdd2ff5000 r--p 00000000 00:00 0                          [vvar]
7ffdd2ff5000-7ffdd2ff7000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`;

function line(name: string): string {
  return `7f0000000000-7f0000001000 r--p 00000000 fe:00 12${name === '' ? '' : `      ${name}`}\n`;
}

function nameOf(name: string): string {
  return parseMaps(line(name)).vmas[0]!.name;
}

test('a typical text gives each mapping with protection, flags, file and kind', () => {
  const { vmas, unaddressable } = parseMaps(TYPICAL);
  assert.deepEqual(vmas[0], {
    start: 0x400000,
    end: 0xb6f000,
    prot: PROT_READ | PROT_EXEC,
    flags: MAP_PRIVATE,
    offset: 0x1000,
    device: 'fe:00',
    inode: '260689',
    name: '/usr/bin/node',
    deleted: false,
    kind: 'file',
  });
  assert.deepEqual(
    vmas.map((v) => v.kind),
    ['file', 'heap', 'anonymous', 'file', 'anonymous', 'stack', 'special', 'special'],
  );
  const arena = vmas[3]!;
  assert.equal(arena.name, '/memfd:mirror');
  assert.equal(arena.deleted, true);
  assert.equal(arena.prot, PROT_READ | PROT_WRITE);
  assert.equal(arena.flags, MAP_SHARED);
  assert.equal(arena.offset, 0x123456789000);
  assert.equal(vmas[4]!.prot, PROT_NONE);
  assert.deepEqual(unaddressable, [
    { start: 'ffffffffff600000', end: 'ffffffffff601000', protection: '--xp', name: '[vsyscall]' },
  ]);
});

test('its mappings go straight into a gap tree', () => {
  const { vmas } = parseMaps(TYPICAL);
  const tree = GapTree.from(vmas, 0, 2 ** 47);
  assert.equal(tree.size, vmas.length);
  assert.deepEqual(tree.at(0x7ffdd2fac000), { start: 0x7ffdd2fac000, end: 0x7ffdd2fcd000 });
});

test('protection is printed as it was read', () => {
  assert.deepEqual(parseMaps(TYPICAL).vmas.map(formatProtection), [
    'r-xp',
    'rw-p',
    'rw-p',
    'rw-s',
    '---p',
    'rw-p',
    'r--p',
    'r-xp',
  ]);
});

test('an address of 2^53 or above is listed as unaddressable and never rounded', () => {
  const at = (start: string, end: string) => parseMaps(`${start}-${end} r--p 00000000 00:00 0 \n`);
  assert.equal(at('1ffffffffff000', '1fffffffffffff').vmas[0]!.end, Number.MAX_SAFE_INTEGER);
  assert.deepEqual(at('1ffffffffff000', '20000000000000').unaddressable[0]!.end, '20000000000000');
  assert.equal(at('1ffffffffff000', '20000000000000').vmas.length, 0);
  assert.equal(at('20000000000000', '20000000000001').vmas.length, 0);
  assert.equal(at('0000000000400000', '0000000000401000').vmas[0]!.start, 0x400000);
  assert.equal(at('0', '1000').vmas[0]!.start, 0);
});

test('a file offset above 2^53 is NaN, and an inode of 64 bits keeps every digit', () => {
  const { vmas } = parseMaps('1000-2000 r--s fffffffffffff000 103:02 18446744073709551615 /dev/big\n');
  assert.ok(Number.isNaN(vmas[0]!.offset));
  assert.equal(vmas[0]!.inode, '18446744073709551615');
  assert.equal(vmas[0]!.device, '103:02');
});

test('names keep spaces inside and at the end, and newlines come back from \\012', () => {
  assert.equal(nameOf('/tmp/a file  with spaces'), '/tmp/a file  with spaces');
  assert.equal(nameOf('/tmp/trailing '), '/tmp/trailing ');
  assert.equal(nameOf('/tmp/two\\012lines'), '/tmp/two\nlines');
  assert.equal(nameOf('/tmp/back\\slash\\011'), '/tmp/back\\slash\\011');
  assert.equal(nameOf('/tmp/größe-文件'), '/tmp/größe-文件');
  assert.equal(parseMaps(line('/a') + line('/tmp/carriage\r')).vmas[1]!.name, '/tmp/carriage\r');
  assert.equal(nameOf(''), '');
});

test('(deleted) is taken off the end of a name only', () => {
  const deleted = parseMaps(line('/tmp/x (deleted)')).vmas[0]!;
  assert.deepEqual([deleted.name, deleted.deleted], ['/tmp/x', true]);
  const kept = parseMaps(line('/tmp/x (deleted).so')).vmas[0]!;
  assert.deepEqual([kept.name, kept.deleted], ['/tmp/x (deleted).so', false]);
});

test('empty text has no mappings; CRLF, a missing last newline and blank ends do no harm', () => {
  assert.deepEqual(parseMaps(''), { vmas: [], unaddressable: [] });
  assert.deepEqual(parseMaps('\n'), { vmas: [], unaddressable: [] });
  const expected = parseMaps(TYPICAL);
  assert.deepEqual(parseMaps(TYPICAL.replaceAll('\n', '\r\n')), expected);
  assert.deepEqual(parseMaps(TYPICAL.trimEnd()), expected);
  assert.deepEqual(parseMaps(`${TYPICAL}\n\n`), expected);
});

test('a malformed line is refused with its number and its text', () => {
  for (const bad of [
    'nonsense',
    '',
    '1000-2000 r--p 00000000 00:00',
    '1000-2000 r--x 00000000 00:00 0',
    '1000-2000 rwxpp 00000000 00:00 0',
    '1000_2000 r--p 00000000 00:00 0',
    '2000-1000 r--p 00000000 00:00 0',
    '1000-1000 r--p 00000000 00:00 0',
    '0x1000-0x2000 r--p 00000000 00:00 0',
    '-1000-2000 r--p 00000000 00:00 0',
    '10000000000000000-10000000000001000 r--p 00000000 00:00 0',
    '1000-2000 r--p 00000000 00:00 0x12',
    '1000-2000 r--p 00000000 00:00 12/usr/lib/x',
  ]) {
    assert.throws(
      () => parseMaps(`${line('/ok')}${bad}\n${line('/ok')}`),
      (error: unknown) => {
        assert.ok(error instanceof MapsError);
        assert.equal(error.code, 'ERR_MIRROR_MAPS');
        assert.equal(error.line, 2);
        assert.equal(error.text, bad);
        assert.match(error.message, /line 2/);
        return true;
      },
      JSON.stringify(bad),
    );
  }
});

test('anything but a string is a TypeError', () => {
  assert.throws(() => parseMaps(new Uint8Array() as unknown as string), { code: 'ERR_INVALID_ARG_TYPE' });
});
