/**
 * A channel against a plain queue, under random calls, at every size of ring and message, and across the point at which
 * its counters begin again.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { type Mirror, openMirror, SharedChannel } from 'mirrorspace';

let mirror: Mirror;
before(async () => {
  mirror = await openMirror({ devices: {}, name: 'queue' });
});
after(() => mirror.close());

/** Words 32 and 48 of a channel count what was sent and received, modulo a multiple of the capacity. */
function advance(address: number, capacity: number, back: number): void {
  const words = mirror.query(address)!.buffer.view(Int32Array, 0, 64);
  const modulus = Math.floor(2 ** 31 / capacity) * capacity;
  words[32] = words[48] = (modulus - back + modulus) % modulus;
}

test('a channel does what a queue of bounded length does', () => {
  const call = fc.oneof(
    { weight: 5, arbitrary: fc.record({ send: fc.uint8Array({ maxLength: 24 }) }) },
    { weight: 5, arbitrary: fc.constant('receive' as const) },
    { weight: 1, arbitrary: fc.constant('open' as const) },
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 0, max: 10 }),
      fc.array(call, { maxLength: 60 }),
      (messageSize, capacity, back, calls) => {
        const options = { messageSize, capacity };
        using buffer = mirror.alloc(SharedChannel.sizeOf(options));
        let channel = SharedChannel.create(mirror, buffer.address, options);
        advance(buffer.address, capacity, back);
        const model: Uint8Array[] = [];
        for (const each of calls) {
          if (each === 'open') channel = SharedChannel.open(mirror, buffer.address);
          else if (each === 'receive') assert.deepEqual(channel.tryReceive(), model.shift());
          else if (each.send.byteLength > messageSize)
            assert.throws(() => channel.trySend(each.send), { code: 'ERR_OUT_OF_RANGE' });
          else {
            const room = model.length < capacity;
            assert.equal(channel.trySend(each.send), room);
            const message = new Uint8Array(messageSize);
            message.set(each.send);
            if (room) model.push(message);
          }
          assert.equal(channel.length, model.length);
        }
        channel.close();
        for (const message of model) assert.deepEqual(channel.receive(), message);
        assert.equal(channel.receive(), undefined);
      },
    ),
  );
});
