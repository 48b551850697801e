/**
 * In which words an address is described: inside, before and past buffers, freed ones, and near null.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestBuffer } from '../../src/mirror/nearest.ts';

const low = { name: 'low', start: 0x2000, end: 0x4000 };
const high = { name: 'high', start: 0x100000, end: 0x200000 };
const said = (address: number, live = [low, high], freed = [{ name: 'gone', start: 0x8000, end: 0x9000 }]) =>
  nearestBuffer(address, live, freed)?.relation;

test('an address inside of a live buffer is said to be there, below 64 KiB too', () => {
  assert.equal(said(0x2008), '8 bytes into `low`');
  assert.equal(said(0x3fff), '8191 bytes into `low`');
  assert.equal(said(0x100000), '0 bytes into `high`');
  assert.equal(nearestBuffer(0x2008, [low], [])?.name, 'low');
});

test('below 64 KiB and in no buffer it is a distance from null, unless a freed one held it', () => {
  assert.equal(said(0), 'a null pointer');
  assert.equal(said(0x1ff8), '8184 bytes from a null pointer');
  assert.equal(said(0x4000), '16384 bytes from a null pointer');
  assert.equal(said(0x8010), '16 bytes into `gone`, which was freed');
});

test('above that it is a distance from the nearest buffer; without buffers there is nothing to say', () => {
  assert.equal(said(0xffff0 + 8), '8 bytes before `high`');
  assert.equal(said(0x200010), '16 bytes past `high`');
  assert.equal(said(0x200010, [], []), undefined);
});
