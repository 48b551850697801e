/**
 * Which type of buffer a program should ask for, given what it requires and desires of its devices.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { capabilityNames, SVM, SVM_TYPE, satisfies, suggestType } from 'mirrorspace';
import { withMirror } from '../fixtures/with-mirror.ts';

const of = (...capabilities: number[]): { capabilities: number }[] =>
  capabilities.map((bits) => ({ capabilities: bits }));
const both = SVM_TYPE.FINE;

test('the best type has what is required on all devices, and the most of what is desired', () => {
  assert.equal(suggestType(of(both, both), 0), 'fine');
  assert.equal(suggestType(of(both), SVM.CONCURRENT_ACCESS), 'fine');
  assert.equal(suggestType(of(both, SVM_TYPE.COARSE), 0), 'coarse');
  assert.equal(suggestType(of(both, SVM_TYPE.COARSE), SVM.HOST_READ), undefined);
  assert.equal(suggestType(of(both, SVM_TYPE.COARSE), 0, SVM.HOST_READ), 'coarse');
  assert.equal(suggestType(of(both), SVM.SYSTEM_ALLOCATED), undefined);
  assert.equal(suggestType(of(SVM_TYPE.DEVICE), 0), undefined);
  assert.equal(suggestType([], 0), 'fine');
});

test('what is suggested keeps every promise, and nothing is refused that some type has', () => {
  const bits = fc.nat(2 ** 15 - 1);
  fc.assert(
    fc.property(
      fc.array(fc.oneof(bits, fc.constant(both), fc.constant(2 ** 15 - 1)), { minLength: 1 }),
      bits,
      bits,
      (offered, required, desired) => {
        const type = suggestType(of(...offered), required & both, desired);
        const fine = offered.every((each) => satisfies(each, SVM_TYPE.FINE));
        if (fine) assert.equal(type, 'fine', 'fine memory has all that coarse memory has');
        if (type === undefined) assert.ok(!fine);
        if (type === 'coarse') {
          for (const each of offered) assert.ok(satisfies(each, SVM_TYPE.COARSE | (required & both)));
          assert.deepEqual(
            capabilityNames(required & both & (SVM.HOST_READ | SVM.HOST_WRITE | SVM.CONCURRENT_ACCESS)),
            [],
          );
        }
      },
    ),
  );
});

test('the devices of a mirror offer both, and others than sets of bits are refused', () =>
  withMirror(async ({ mirror }) => {
    const { wasm } = mirror.devices;
    assert.ok(satisfies(wasm.capabilities, SVM_TYPE.COARSE) && satisfies(wasm.capabilities, SVM_TYPE.FINE));
    assert.ok(!satisfies(wasm.capabilities, SVM_TYPE.SYSTEM));
    const type = suggestType(
      Object.values(mirror.devices),
      SVM.CONCURRENT_ATOMIC_ACCESS | SVM.INDIRECT_ACCESS,
    );
    assert.equal(mirror.alloc(4096, { type: type! }).type, 'fine');
    const kind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    const value = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
    for (const devices of [undefined, null, wasm, [null], [{}]])
      assert.throws(() => suggestType(devices as never, 0), kind);
    for (const bits of [undefined, null, '1']) assert.throws(() => suggestType([wasm], bits as never), kind);
    for (const bits of [-1, 2 ** 15, 2 ** 32, 0.5, Number.NaN]) {
      assert.throws(() => suggestType([wasm], bits), value);
      assert.throws(() => suggestType([wasm], 0, bits), value);
    }
  }));
