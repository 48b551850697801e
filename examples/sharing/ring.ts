/**
 * A producer and two consumers, each a process of its own, over a ring of structs in mirrored memory. The producer sends
 * 20,000 readings; the consumers sum them up per sensor in a table that all of them share, under a lock.
 *
 *     node --import tsx examples/sharing/ring.ts
 *
 * @module
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type AttachedMirror, attachMirror, openMirror, SharedChannel, SharedMutex } from 'mirrorspace';
import { array, f64, sizeof, struct, u32 } from 'mirrorspace/layout';

const Reading = struct('Reading', { sensor: u32, sequence: u32, value: f64 });
const Sum = struct('Sum', { count: f64, total: f64 });

const SENSORS = 4;
const READINGS = 20_000;
const ring = { messageSize: sizeof(Reading), capacity: 256 };

/** A struct outside of mirrored memory, to fill and send or to receive into. */
function scratch() {
  const memory = { address: 4096, size: sizeof(Reading), bytes: new Uint8Array(sizeof(Reading)) };
  return { bytes: memory.bytes, reading: Reading.in(memory).at(memory.address) };
}

function produce(mirror: AttachedMirror): void {
  const channel = SharedChannel.open(mirror, mirror.buffer('ring')!.address);
  const { bytes, reading } = scratch();
  for (let i = 0; i < READINGS; i++) {
    reading.sensor = i % SENSORS;
    reading.sequence = i;
    reading.value = i / 2;
    channel.send(bytes);
  }
  channel.close();
}

async function consume(mirror: AttachedMirror): Promise<void> {
  const channel = SharedChannel.open(mirror, mirror.buffer('ring')!.address);
  const table = mirror.buffer('sums')!;
  const lock = new SharedMutex(mirror, mirror.buffer('lock')!.address);
  const sums = array(Sum, SENSORS).in(table).at(table.address);
  const { bytes, reading } = scratch();
  for await (const message of channel) {
    bytes.set(message);
    lock.with(() => {
      const sum = sums.get(reading.sensor);
      sum.count += 1;
      sum.total += reading.value;
    });
  }
}

async function main(): Promise<void> {
  const mirror = await openMirror({ devices: {}, name: 'ring' });
  const handle = JSON.stringify(mirror.share());
  const channel = mirror.alloc(SharedChannel.sizeOf(ring), { name: 'ring' });
  SharedChannel.create(mirror, channel.address, ring);
  mirror.alloc(SharedMutex.size, { name: 'lock' });
  const table = mirror.alloc(sizeof(Sum) * SENSORS, { name: 'sums' });

  const self = fileURLToPath(import.meta.url);
  const children = ['produce', 'consume', 'consume'].map((role) => fork(self, [handle, role]));
  await Promise.all(children.map((child) => once(child, 'exit')));

  const sums = array(Sum, SENSORS).in(table).at(table.address);
  for (let sensor = 0; sensor < SENSORS; sensor++) {
    const { count, total } = sums.get(sensor);
    console.log(`sensor ${sensor}: ${count} readings, total ${total}`);
  }
  await mirror.close();
}

const [handle, role] = process.argv.slice(2);
if (handle === undefined) await main();
else {
  const mirror = await attachMirror(handle);
  await (role === 'produce' ? produce(mirror) : consume(mirror));
  await mirror.close();
}
