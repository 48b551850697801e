/**
 * System SVM: a cold page, at a stride and at random places, beside a pager in C that does the same; 64 MiB in sequence
 * beside process_vm_readv of as much into fresh memory; a launch when nothing has changed in what the device has copies
 * of; and what it costs to write back changes that lie sparse, dense and byte by byte.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Command, type Kernel, openMirror, type Pin, processDevice } from '../dist/index.js';
import { beside, median, type Row, rounded } from './rows.ts';

const PAGE = 4096;
const MiB = 2 ** 20;
const SIZE = 64 * MiB;
/** Far enough apart that each fault fetches one page. */
const STRIDE = 16 * PAGE;
const scattered = new URL('./peers/sum-kernel.mjs', import.meta.url);
const kernels = new URL('../test/fixtures/process/system.js', import.meta.url);
const source = fileURLToPath(new URL('./peers/pager.c', import.meta.url));

export async function systemMemory(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 3 : 11;
  const mirror = await openMirror({ devices: { proc: processDevice({ cores: 1, system: 'all' }) } });
  const { proc } = mirror.devices;
  const program = await proc.load(kernels);
  const touch = program.kernel('touchPages', ['pointer', 'f64', 'f64', 'pointer']);
  const increment = program.kernel('incrementEvery', ['pointer', 'f64']);
  const touchListed = (await proc.load(scattered)).kernel('touchListed', ['pointer', 'f64', 'pointer']);
  const out = mirror.alloc(MiB);
  const pin = mirror.pin(new Uint8Array(SIZE).fill(5));

  /** Milliseconds in the kernel, of so many pages without copies. */
  const cold = (pages: number, stride: number): Promise<number> =>
    coldTime(() => proc.queue.launch(touch, { items: 1, args: [pin.address, pages, stride, out] }));

  async function coldTime(launch: () => Command): Promise<number> {
    const times: number[] = [];
    for (let round = -1; round < rounds; round++) {
      proc.advise(pin, 'drop');
      const command = launch();
      await command.done;
      if (round >= 0) times.push(command.times.finished! - command.times.started!);
    }
    return median(times);
  }

  /** Milliseconds from launch to done of a kernel. */
  async function launched(
    kernel: Kernel<readonly ['pointer', 'f64']>,
    items: number,
    stride: number,
  ): Promise<number> {
    const times: number[] = [];
    for (let round = -1; round < rounds; round++) {
      proc.advise(pin, 'prefetch');
      const start = performance.now();
      await proc.queue.launch(kernel, { items, chunk: items, args: [pin.address, stride] }).done;
      if (round >= 0) times.push(performance.now() - start);
    }
    return median(times);
  }

  const page = (await cold(SIZE / STRIDE, STRIDE)) / (SIZE / STRIDE);
  const count = SIZE / STRIDE;
  const places = mirror.alloc(8 * count);
  places.view(Float64Array).set(randomPages(SIZE / PAGE, count).map((number) => pin.address + number * PAGE));
  const random =
    (await coldTime(() => proc.queue.launch(touchListed, { items: 1, args: [places, count, out] }))) / count;
  const sequence = await cold(SIZE / PAGE, PAGE);
  const writes: [string, number, number][] = [
    ['1 byte in each of 1024 pages', 1024, PAGE],
    ['256 KiB, all bytes', 256 * 1024, 1],
    ['every other byte of 16 pages', 8 * PAGE, 2],
  ];
  const written: Row[] = [];
  for (const [what, items, stride] of writes) {
    const ours = rounded(await launched(increment, items, stride));
    written.push({ group: 'system SVM', what: `store and write back: ${what}`, unit: 'ms', ours });
  }
  const unchanged = await nothingChanged(mirror.pin(new Uint8Array((quick ? 64 : 1024) * MiB).fill(1)));
  await mirror.close();

  async function nothingChanged(large: Pin): Promise<Row> {
    const args = [large.address, 1, PAGE, out] as const;
    proc.advise(large, 'prefetch');
    const times: number[] = [];
    for (let round = -3; round < 10 * rounds; round++) {
      const start = performance.now();
      await proc.queue.launch(touch, { items: 1, args: [...args] }).done;
      if (round >= 0) times.push(performance.now() - start);
    }
    const what = `launch, nothing changed in ${large.size / MiB} MiB of copies`;
    return { group: 'system SVM', what, unit: 'ms', ours: rounded(median(times)), target: 'under 1 ms' };
  }

  const coldRow = { group: 'system SVM', what: 'a cold page', unit: 'us', ours: rounded(page * 1000) };
  const randomRow = { ...coldRow, what: 'a cold page, at random places', ours: rounded(random * 1000) };
  const bandwidth = {
    group: 'system SVM',
    what: '64 MiB in sequence, cold',
    unit: 'ms',
    ours: rounded(sequence),
  };
  const targets = ['at most 1.5x', 'at most 2x the time'];
  const peers = peerTimes(rounds);
  const first =
    typeof peers === 'string'
      ? [{ ...coldRow, peer: peers }, randomRow, bandwidth]
      : [
          beside({ ...coldRow, target: targets[0]! }, 'a pager in C', peers.page / 1000),
          beside({ ...randomRow, target: targets[0]! }, 'a pager in C', peers.random / 1000),
          beside({ ...bandwidth, target: targets[1]! }, 'process_vm_readv', peers.read / 1e6),
        ];
  return [...first, unchanged, ...written];
}

/** So many of `all` numbers, in an order that is the same each time. */
function randomPages(all: number, count: number): number[] {
  const numbers = Array.from({ length: all }, (_, i) => i);
  let seed = 1;
  for (let i = 0; i < count; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const j = i + ((seed >>> 8) % (all - i));
    [numbers[i], numbers[j]] = [numbers[j]!, numbers[i]!];
  }
  return numbers.slice(0, count);
}

/** What the peer in C takes, in nanoseconds; or why there is none. */
function peerTimes(rounds: number): { page: number; random: number; read: number } | string {
  const folder = mkdtempSync(join(tmpdir(), 'mirrorspace-bench-'));
  try {
    const program = join(folder, 'pager');
    const compiled = spawnSync('cc', ['-O2', '-o', program, source], { encoding: 'utf8' });
    if (compiled.status !== 0) return 'a pager in C (no C compiler here)';
    const args = [SIZE / STRIDE, STRIDE, SIZE, rounds].map(String);
    const { stdout, status } = spawnSync(program, args, { encoding: 'utf8' });
    if (status !== 0) return `a pager in C (it ended with ${status})`;
    const [page, read, random] = stdout.trim().split(' ').map(Number);
    return { page: page!, random: random!, read: read! };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
