import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkRequest, type PlacementRequest, PlacementSpace } from '../../src/placement/index.ts';

const PAGE = 4096;
const context = { pageSize: PAGE, deviceNames: ['wasm', 'opencl'] };
const check = (request: unknown) => checkRequest(request as PlacementRequest, context);

const wrongKind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const wrongValue = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };

describe('a request is refused as of the wrong kind', () => {
  for (const [what, request] of [
    ['when it is no object', 64],
    ['when it is null', null],
    ['when the size is missing', {}],
    ['when the size is a bigint', { size: 4096n }],
    ['when the alignment is a string', { size: PAGE, align: '4096' }],
    ['when the guard is a boolean', { size: PAGE, guard: true }],
    ['when topdown is a number', { size: PAGE, topdown: 1 }],
    ['when devices is one name', { size: PAGE, devices: 'wasm' }],
    ['when a device is not a name', { size: PAGE, devices: [{}] }],
    ['when the place is an address', { size: PAGE, place: 0x10000 }],
    ['when the place is null', { size: PAGE, place: null }],
    ['when the place has no known shape', { size: PAGE, place: { near: 0x10000 } }],
    ['when the place has two shapes', { size: PAGE, place: { at: 0x10000, hint: 0x10000 } }],
    ['when at is a string', { size: PAGE, place: { at: '0x10000' } }],
    ['when within is no pair', { size: PAGE, place: { within: [0x10000] } }],
    ['when a bound of within is undefined', { size: PAGE, place: { within: [0x10000, undefined] } }],
    ['when the hint is an object', { size: PAGE, place: { hint: {} } }],
  ] as const)
    test(what, () => assert.throws(() => check(request), wrongKind));
});

describe('a request is refused as of the wrong value', () => {
  for (const [what, request] of [
    ['when the size is 0', { size: 0 }],
    ['when the size is negative', { size: -PAGE }],
    ['when the size is not whole', { size: 0.5 }],
    ['when the size is NaN', { size: Number.NaN }],
    ['when the size is beyond 2^53', { size: 2 ** 53 }],
    ['when rounding the size to pages takes it beyond 2^53', { size: Number.MAX_SAFE_INTEGER }],
    ['when the alignment is no power of two', { size: PAGE, align: 3 * PAGE }],
    ['when the alignment is less than a page', { size: PAGE, align: 64 }],
    ['when the alignment is 0', { size: PAGE, align: 0 }],
    ['when the guard is part of a page', { size: PAGE, guard: 100 }],
    ['when the guard is negative', { size: PAGE, guard: -PAGE }],
    ['when at is inside a page', { size: PAGE, place: { at: 0x10010 } }],
    ['when at is negative', { size: PAGE, place: { at: -PAGE } }],
    ['when at is not at the alignment', { size: PAGE, align: 0x10000, place: { at: 0x11000 } }],
    ['when within is empty', { size: PAGE, place: { within: [0x10000, 0x10000] } }],
    ['when within is upside down', { size: PAGE, place: { within: [0x20000, 0x10000] } }],
    ['when a bound of within is infinite', { size: PAGE, place: { within: [0, Number.POSITIVE_INFINITY] } }],
    ['when the hint is beyond 2^53', { size: PAGE, place: { hint: 2 ** 60 } }],
  ] as const)
    test(what, () => assert.throws(() => check(request), wrongValue));
});

test('an unknown device is refused with the names of the known ones', () => {
  const message = /devices\[1\].*one of 'wasm', 'opencl'\. Received "cuda"/;
  assert.throws(() => check({ size: PAGE, devices: ['wasm', 'cuda'] }), { ...wrongValue, message });
});

test('a well-formed request passes, also with every field undefined but the size', () => {
  check({ size: 1 });
  check({
    size: 1,
    align: undefined,
    guard: undefined,
    topdown: undefined,
    devices: undefined,
    place: undefined,
  });
  check({ size: 1, align: 2 ** 52, guard: 2 ** 40, topdown: true, devices: [], place: { hint: 12345 } });
  check({ size: 1, place: { within: [1, 2] } });
});

test('find and plan refuse a bad request before they look at anything', () => {
  const space = new PlacementSpace({ pageSize: PAGE, limit: { start: 0, end: 2 ** 47 }, devices: [] });
  assert.throws(() => space.find({ size: 0 }), wrongValue);
  assert.throws(() => space.plan({ size: PAGE, devices: ['wasm'] }), {
    ...wrongValue,
    message: /no devices/,
  });
});

test('an address outside of every window is no bad argument but a refusal', () => {
  const space = new PlacementSpace({ pageSize: PAGE, limit: { start: 0, end: 2 ** 47 }, devices: [] });
  for (const place of [{ at: 2 ** 50 }, { within: [2 ** 50, 2 ** 51] as const }]) {
    const plan = space.plan({ size: PAGE, place });
    assert.equal(!plan.ok && plan.refusal.reason, 'outside-window');
  }
});
