/**
 * Two process devices at random, against plain arrays: buffers come and go all over the address space, the host and both
 * devices write them, kernels go astray, devices are killed and opened again. `MIRRORSPACE_SEED=N` repeats a run.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  DeviceFault,
  DeviceLost,
  type Mirror,
  openMirror,
  type ProcessDevice,
  type Program,
  processDevice,
  type SvmBuffer,
} from 'mirrorspace';
import { mappings } from '../fixtures/proc.ts';
import { processKernels } from '../fixtures/with-process.ts';

const seed = Number(process.env.MIRRORSPACE_SEED ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;
const steps = process.env.MIRRORSPACE_STRESS === 'full' ? 8000 : 250;

/** Marsaglia's xorshift32. */
let state = seed || 1;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}
/** Any address, as likely low as high. */
const anyAddress = (): number => Math.floor(2 ** (12 + (random(35_000) + 0) / 1000) / 4) * 4;
const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;

let mirror: Mirror<{ near: ProcessDevice; far: ProcessDevice }>;
let out: SvmBuffer;
const programs = new Map<ProcessDevice, Program>();
/** The buffers, and what is in them. */
const model = new Map<SvmBuffer, Uint8Array>();
const done: Record<string, number> = {};
const awake = setInterval(() => {}, 1000);

before(async () => {
  const devices = { near: processDevice({ cores: 1 }), far: processDevice({ cores: 2 }) };
  mirror = await openMirror({ name: `random-${process.pid}`, devices });
  for (const device of Object.values(mirror.devices)) programs.set(device, await device.load(processKernels));
  out = mirror.alloc(4, { name: 'out' });
});
after(async () => {
  clearInterval(awake);
  await mirror.close();
});

function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum = (Math.imul(sum, 31) + byte) >>> 0;
  return sum;
}

const isLive = (address: number): boolean =>
  [...model.keys(), out].some(
    (buffer) => address >= buffer.address && address < Math.ceil(buffer.end / 4096) * 4096,
  );

async function astray(device: ProcessDevice, address: number): Promise<void> {
  if (isLive(address)) return;
  const store = programs.get(device)!.kernel('storeAt', ['pointer', 'i32']);
  await assert.rejects(
    device.queue.launch(store, { items: 1, args: [address, -1] }).done,
    (error: unknown) => {
      assert.ok(error instanceof DeviceFault, String(error));
      assert.equal(error.address, address);
      assert.equal(error.reason, 'unmapped');
      return true;
    },
  );
}

const acts = {
  alloc() {
    if (model.size > 40) return;
    const size = 1 + random(5 * 4096);
    const buffer = mirror.alloc(size, {
      place: { hint: anyAddress() },
      topdown: random(2) === 0,
      guard: random(3),
    });
    assert.ok(
      buffer.bytes.every((byte) => byte === 0),
      'a new buffer is zero',
    );
    model.set(buffer, new Uint8Array(size));
  },
  write(buffer: SvmBuffer, bytes: Uint8Array) {
    const at = random(buffer.size);
    const value = random(256);
    buffer.bytes[at] = value;
    bytes[at] = value;
  },
  async fill(buffer: SvmBuffer, bytes: Uint8Array, device: ProcessDevice) {
    const value = random(256);
    await device.queue.fill(buffer, value).done;
    bytes.fill(value);
  },
  async copy(buffer: SvmBuffer, bytes: Uint8Array, device: ProcessDevice) {
    const source = pick([...model.keys()]);
    if (source === buffer) return;
    const size = Math.min(source.size, buffer.size);
    await device.queue.copy(buffer, source, size).done;
    bytes.set(model.get(source)!.subarray(0, size));
  },
  async check(buffer: SvmBuffer, bytes: Uint8Array, device: ProcessDevice) {
    const kernel = programs.get(device)!.kernel('checksum', ['pointer', 'u32', 'pointer']);
    await device.queue.launch(kernel, { items: 1, args: [buffer, buffer.size, out] }).done;
    assert.equal(out.view(Uint32Array)[0], checksum(bytes));
  },
  async free(buffer: SvmBuffer, _bytes: Uint8Array, device: ProcessDevice) {
    buffer.free();
    model.delete(buffer);
    await astray(device, buffer.address);
  },
  async wild(_buffer: SvmBuffer, _bytes: Uint8Array, device: ProcessDevice) {
    await astray(device, anyAddress());
  },
  async kill(_buffer: SvmBuffer, _bytes: Uint8Array, device: ProcessDevice) {
    if (random(8) !== 0) return;
    const lost = device.lost;
    process.kill(device.pid, 'SIGKILL');
    assert.ok((await lost) instanceof DeviceLost);
    if (random(2) === 0) acts.alloc();
    await device.reopen();
  },
} as const;

test(`devices and host agree on every byte (seed ${seed})`, async () => {
  for (let step = 0; step < steps; step++) {
    if (model.size === 0) acts.alloc();
    const name = pick(Object.keys(acts)) as keyof typeof acts;
    const buffer = pick([...model.keys()]);
    await acts[name](buffer, model.get(buffer)!, pick(Object.values(mirror.devices)));
    done[name] = (done[name] ?? 0) + 1;
    if (step % 50 === 49)
      for (const [each, bytes] of model) assert.ok(Buffer.compare(each.bytes, bytes) === 0, each.name);
  }
  for (const name of Object.keys(acts)) assert.ok(done[name]! > 0, `${name}: ${JSON.stringify(done)}`);
  // Neither process has anything of its own where a buffer lies, and each of them has all of the buffers.
  for (const { pid } of Object.values(mirror.devices)) {
    const arena = (name: string): boolean => name === `/memfd:mirrorspace-${mirror.name}`;
    for (const { address, end } of model.keys()) {
      const over = mappings(pid).filter((vma) => vma.start < end && address < vma.end);
      assert.ok(over.length > 0);
      for (const { name, start, offset } of over) assert.ok(arena(name) && offset === start);
    }
  }
});
