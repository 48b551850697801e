/**
 * Measures one contender of the gap-search benchmark, in a process of its own: neither the compiler nor the collector nor
 * the caches then have seen another one. Time is the processor's, of the one thread there is (node --single-threaded), so
 * that what else runs on the machine counts as little as possible. It is given a {@link Job} as JSON, and prints a line of
 * JSON for each size.
 *
 * @module
 */
import { libcFunction } from '../src/ffi/library.ts';
import {
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  mmap,
  mprotect,
  munmap,
  PROT_NONE,
  PROT_READ,
} from '../src/linux/mmap.ts';
import { GapTree } from '../src/mm/index.ts';
import { type Contender, contenders } from './gap-contenders.ts';
import { PAGE, QUERIES, SPAN, type Workload, workload } from './gap-workload.ts';
import { median } from './rows.ts';

export interface Job {
  readonly name: string;
  readonly sizes: readonly number[];
  /** All operations, and not only those of the growth: find, insert + remove, build. */
  readonly full: boolean;
  /** So many rounds, of a millisecond each: short ones, so that few are interrupted on a busy machine. */
  readonly rounds: number;
}

export type Operation =
  | 'build'
  | 'find'
  | 'find top-down'
  | 'find aligned 64 KiB'
  | 'find a rare large hole'
  | 'no such hole'
  | 'insert + remove'
  | 'drain';

export interface Report {
  readonly size: number;
  /** Nanoseconds of one operation; of one range in `build` and `drain`. */
  readonly times: Partial<Record<Operation, number>>;
  /** Bytes of a range; of the peers as they are when built. */
  readonly bytes: number;
  /** Bytes that a removal and an insertion leave to the collector. */
  readonly garbage: number;
  /** What some of the searches answered: everyone must say the same. */
  readonly answers: Partial<Record<Operation, readonly number[]>>;
}

/** What a job is called that is not about a contender. */
const KERNEL = 'kernel';

/** Nanoseconds of finding, taking and giving back a page. */
export interface KernelReport {
  readonly ours: number;
  readonly kernel: number;
}

const KiB64 = 64 * 1024;
/** A contender that needs longer than this for a range, in nanoseconds, is not drained: it would take hours. */
const PATIENCE = 100_000;

const CLOCK_THREAD_CPUTIME_ID = 3;
const clockGettime = libcFunction('int clock_gettime(int, void *)');
const timespec = new BigInt64Array(2);

/** Nanoseconds that this thread has run. */
function now(): number {
  clockGettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  return Number(timespec[0]) * 1e9 + Number(timespec[1]);
}

const ROUND = 1e6;
/** Until the compiler has done its work. */
const WARM_UP = 5e7;
/** No operation is measured for longer, in rounds that count. */
const MOST = 1e9;

/** Median nanoseconds of one operation. Rounds go on with the queries where the one before ended. */
function measure(rounds: number, round: (from: number, to: number) => void): number {
  let at = 0;
  const timed = (operations: number): number => {
    if (at + operations > QUERIES) at = 0;
    const start = now();
    round(at, at + operations);
    at += operations;
    return now() - start;
  };
  let operations = 1;
  let spent = 0;
  for (let warm = 0; warm < WARM_UP; ) {
    const time = timed(operations);
    warm += time;
    if (time < ROUND / 2 && operations < QUERIES) operations *= 2;
    else if (time > 2 * ROUND && operations > 1) operations /= 2;
  }
  const times: number[] = [];
  while (times.length < rounds && (spent < MOST || times.length < 5)) {
    const time = timed(operations);
    spent += time;
    times.push(time / operations);
  }
  return median(times);
}

/** Everything that the heap and array buffers hold. */
function used(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function searches(contender: Contender, load: Workload): Partial<Record<Operation, (i: number) => number>> {
  const { lows, highs, lengths, rare, none } = load;
  return {
    find: (i) => contender.find(lengths[i]!, lows[i]!, highs[i]!, 1),
    'find top-down': (i) => contender.findTopdown(lengths[i]!, lows[i]!, highs[i]!, 1),
    'find aligned 64 KiB': (i) => contender.find(lengths[i]!, lows[i]!, highs[i]!, KiB64),
    'find a rare large hole': (i) => contender.find(rare, lows[i]!, highs[i]!, 1),
    'no such hole': (i) => contender.find(none, lows[i]!, highs[i]!, 1),
  };
}

function report({ name, full, rounds }: Job, size: number): Report {
  const load = workload(size);
  const make = contenders[name]!;
  const times: Partial<Record<Operation, number>> = {};
  const answers: Partial<Record<Operation, number[]>> = {};
  const before = used();
  const contender = make(load);
  contender.build();
  let bytes = (contender.bytes?.() ?? used() - before) / size;

  for (const [operation, search] of Object.entries(searches(contender, load)) as [
    Operation,
    (i: number) => number,
  ][]) {
    if (!full && operation !== 'find') continue;
    answers[operation] = Array.from({ length: 10 }, (_, i) => search(i));
    let sum = 0;
    times[operation] = measure(rounds, (from, to) => {
      for (let i = from; i < to; i++) sum += search(i);
    });
    if (Number.isNaN(sum)) throw new Error(`${name}: a search gave no number`);
  }
  times['insert + remove'] = measure(rounds, (from, to) => {
    for (let i = from; i < to; i++) {
      contender.remove(load.victims[i]!);
      contender.insert(load.victims[i]!);
    }
  });
  const pairs = 4096;
  globalThis.gc?.();
  const heap = process.memoryUsage().heapUsed;
  for (let i = 0; i < pairs; i++) {
    contender.remove(load.victims[i]!);
    contender.insert(load.victims[i]!);
  }
  const garbage = Math.max(0, process.memoryUsage().heapUsed - heap) / pairs;

  const drains = full && times['insert + remove'] < PATIENCE;
  const whole: { build: number; drain: number }[] = [];
  // The first time is the compiler's, too, so a small one is done often.
  for (let run = 0; run < Math.min(40, 2e5 / size); run++) {
    const another = make(load);
    const start = now();
    another.build();
    const built = now();
    if (drains) for (let i = 0; i < size; i++) another.remove(load.order[i]!);
    whole.push({ build: (built - start) / size, drain: (now() - built) / size });
  }
  times.build = median(whole.slice(whole.length >> 1).map(({ build }) => build));
  if (drains) times.drain = median(whole.slice(whole.length >> 1).map(({ drain }) => drain));
  if (contender.bytes) {
    // Ranges that come in any order leave more space unused than those of a build.
    const filled = make(load);
    for (let i = 0; i < size; i++) filled.insert(load.order[i]!);
    bytes = filled.bytes!() / size;
  }
  return { size, times, bytes, garbage, answers };
}

/** A page mapped anywhere and unmapped, among 1e3 mappings of this process, beside the same in the tree. */
function besideTheKernel(rounds: number): KernelReport {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  const size = 1000;
  // Pages of two protections in turn: none of them merge.
  const block = mmap(0, size * PAGE, PROT_NONE, flags, -1, 0);
  for (let i = 0; i < size; i += 2) mprotect(block + i * PAGE, PAGE, PROT_READ);
  const kernel = measure(rounds, (from, to) => {
    for (let i = from; i < to; i++) munmap(mmap(0, PAGE, PROT_NONE, flags, -1, 0), PAGE);
  });
  munmap(block, size * PAGE);
  const { starts, ends } = workload(size);
  const tree = new GapTree(0, SPAN);
  for (let i = 0; i < size; i++) tree.insert(starts[i]!, ends[i]!);
  const ours = measure(rounds, (from, to) => {
    for (let i = from; i < to; i++) {
      const place = tree.findGapTopdown({ length: PAGE })!;
      tree.insert(place, place + PAGE);
      tree.remove(place, place + PAGE);
    }
  });
  return { ours, kernel };
}

const job: Job = JSON.parse(process.argv[2]!);
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
if (job.name === KERNEL) say(besideTheKernel(job.rounds));
else for (const size of job.sizes) say(report(job, size));
