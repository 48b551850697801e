/**
 * The cursor and the list of sections, on hand-written bytes. Expected values are the examples and rules of the
 * core specification, sections 5.2 and 5.5.2.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteReader } from '../../src/device/wasm/binary/reader.ts';
import { readSections } from '../../src/device/wasm/binary/sections.ts';

const over = (...bytes: number[]) => new ByteReader(Uint8Array.from(bytes), 'a test');
const preamble = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
const malformed = (message: RegExp) => ({ name: 'ProgramError', reason: 'malformed', message });

test('unsigned numbers are read up to their widest and with padding', () => {
  assert.equal(over(0x03).unsigned(), 3);
  assert.equal(over(0x83, 0x00).unsigned(), 3);
  assert.equal(over(0x83, 0x80, 0x80, 0x80, 0x00).unsigned(), 3);
  assert.equal(over(0xe5, 0x8e, 0x26).unsigned(), 624485);
  assert.equal(over(0xff, 0xff, 0xff, 0xff, 0x0f).unsigned(), 2 ** 32 - 1);
  assert.equal(over(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10).unsigned(64), 2 ** 53);
  assert.equal(over(...Array<number>(9).fill(0xff), 0x01).unsigned(64), 2 ** 64);
});

test('unsigned numbers with bits beyond their width, or without an end, are malformed', () => {
  assert.throws(() => over(0xff, 0xff, 0xff, 0xff, 0x1f).unsigned(), malformed(/offset 0x0.*32-bit/));
  assert.throws(() => over(0x80, 0x80, 0x80, 0x80, 0x80, 0x00).unsigned(), malformed(/32-bit/));
  assert.throws(() => over(...Array<number>(9).fill(0xff), 0x02).unsigned(64), malformed(/64-bit/));
  assert.throws(() => over(0x80, 0x80).unsigned(), malformed(/offset 0x2.*end here/));
});

test('signed numbers are read with their sign', () => {
  assert.equal(over(0x7f).signed(32), -1);
  assert.equal(over(0xfe, 0x7f).signed(32), -2);
  assert.equal(over(0xc0, 0xbb, 0x78).signed(32), -123456);
  assert.equal(over(0x80, 0x80, 0x80, 0x80, 0x78).signed(32), -(2 ** 31));
  assert.equal(over(0xff, 0xff, 0xff, 0xff, 0x07).signed(32), 2 ** 31 - 1);
  assert.equal(over(...Array<number>(9).fill(0xff), 0x7f).signed(64), -1);
  assert.equal(over(0x70).signed(33), -16);
});

test('signed numbers whose surplus bits disagree with the sign are malformed', () => {
  assert.throws(() => over(0xff, 0xff, 0xff, 0xff, 0x4f).signed(32), malformed(/signed 32-bit/));
  assert.throws(() => over(0xff, 0xff, 0xff, 0xff, 0x0f).signed(32), malformed(/signed 32-bit/));
  assert.throws(() => over(...Array<number>(9).fill(0x80), 0x02).signed(64), malformed(/signed 64-bit/));
});

test('a count larger than the bytes that are left could hold is refused at once', () => {
  assert.throws(
    () => over(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2).count('types'),
    malformed(/4294967295 types in the 2 bytes/),
  );
  assert.throws(() => over(2, 0, 0, 0).count('exports', 3), malformed(/2 exports in the 3 bytes/));
  assert.equal(over(1, 0, 0, 0).count('exports', 3), 1);
});

test('names are UTF-8, keep a byte order mark, and may lie in memory that threads share', () => {
  assert.equal(over(3, 0xe2, 0x82, 0xac).name(), '€');
  assert.equal(over(4, 0xef, 0xbb, 0xbf, 0x61).name(), '\ufeffa');
  assert.throws(() => over(2, 0xc3, 0x28).name(), malformed(/offset 0x1.*UTF-8/));
  assert.throws(() => over(5, 0x61).name(), malformed(/5 bytes are announced and 1 are left/));
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  shared.set([1, 0x61]);
  assert.equal(new ByteReader(shared, 'a test').name(), 'a');
});

test('what is no core module is refused as not-wasm, and says what it may be', () => {
  const refused = (bytes: number[], message: RegExp) =>
    assert.throws(() => readSections(Uint8Array.from(bytes)), {
      name: 'ProgramError',
      reason: 'not-wasm',
      message,
    });
  refused([], /there are no bytes/);
  refused([...Buffer.from('(module)')], /28 6d 6f 64 instead of 00 61 73 6d.*text format/);
  refused([0x7f, 0x45, 0x4c, 0x46], /7f 45 4c 46/);
  refused(preamble.slice(0, 6), /version 1/);
  refused([0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00], /0d 00 01 00.*component/);
});

test('an argument that is no byte array is a TypeError', () => {
  assert.throws(() => readSections('module' as unknown as Uint8Array), {
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_TYPE',
  });
});

test('sections are listed with their bounds, custom ones wherever they stand', () => {
  const bytes = Uint8Array.from([...preamble, 0, 1, 0, 1, 1, 0, 0, 1, 0, 5, 0x81, 0x00, 0]);
  assert.deepEqual(readSections(bytes), [
    { id: 0, start: 8, contentStart: 10, end: 11 },
    { id: 1, start: 11, contentStart: 13, end: 14 },
    { id: 0, start: 14, contentStart: 16, end: 17 },
    { id: 5, start: 17, contentStart: 20, end: 21 },
  ]);
});

test('sections that repeat, come out of order, are unknown or run past the end are malformed', () => {
  const read = (...bytes: number[]) => readSections(Uint8Array.from([...preamble, ...bytes]));
  assert.throws(() => read(1, 1, 0, 1, 1, 0), malformed(/offset 0xb.*second type section/));
  assert.throws(() => read(3, 1, 0, 1, 1, 0), malformed(/offset 0xb.*type section is out of order/));
  assert.throws(() => read(10, 1, 0, 12, 1, 0), malformed(/dataCount section is out of order/));
  assert.throws(() => read(99, 0), malformed(/no section number 99/));
  assert.throws(() => read(1, 9, 0), malformed(/9 bytes are announced and 1 are left/));
});
