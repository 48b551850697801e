// The suite's kernels in AssemblyScript, as kernel-list.ts describes them.

const STOP: usize = 0;
const ERRORS: usize = 4;
const RETRIES: usize = 8;
const LANES: usize = 32;
const WITNESS: usize = 160;
const NODE: usize = 16;
const BATCH: u32 = 16;

export function countItems(begin: u32, end: u32, counts: usize): void {
  for (let i = begin; i < end; i++) atomic.add<i32>(counts + ((<usize>i) << 2), 1);
}

export function recordChunks(begin: u32, end: u32, next: usize, log: usize): void {
  const at = log + ((<usize>atomic.add<i32>(next, 1)) << 3);
  store<u32>(at, begin);
  store<u32>(at, end, 4);
}

export function storeArguments(
  begin: u32,
  end: u32,
  out: usize,
  p: usize,
  u: u32,
  i: i32,
  wideU: u64,
  wideI: i64,
  f: f32,
  d: f64,
): void {
  store<u64>(out, p);
  store<u32>(out, u, 8);
  store<i32>(out, i, 12);
  store<u64>(out, wideU, 16);
  store<i64>(out, wideI, 24);
  store<f32>(out, f, 32);
  store<f64>(out, d, 40);
}

export function append(begin: u32, end: u32, log: usize, value: u32): void {
  const n = <usize>atomic.add<i32>(log, 1);
  store<u32>(log + (n << 2), value, 4);
}

export function increment(begin: u32, end: u32, counter: usize): void {
  for (let i = begin; i < end; i++) atomic.add<i32>(counter, 1);
}

export function loadWord(begin: u32, end: u32, address: usize, out: usize): void {
  store<u32>(out, load<u32>(address));
}

export function storeWord(begin: u32, end: u32, address: usize, value: u32): void {
  store<u32>(address, value);
}

export function fail(begin: u32, end: u32): void {
  unreachable();
}

export function awaitWord(begin: u32, end: u32, flag: usize, value: u32, answer: usize): void {
  while (atomic.load<u32>(flag) != value) {}
  atomic.store<u32>(answer, value + 1);
}

export function spin(begin: u32, end: u32, flag: usize): void {
  atomic.store<i32>(flag, 1);
  while (true) {
    if (atomic.load<i32>(flag) == -12345) break;
  }
}

export function createLinkedLists(
  begin: u32,
  end: u32,
  heads: usize,
  even: usize,
  odd: usize,
  allocated: usize,
  length: u32,
): void {
  for (let item = begin; item < end; item++) {
    let link = heads + ((<usize>item) << 3);
    for (let position: u32 = 0; position < length; position++) {
      const node = (position % 2 == 0 ? even : odd) + NODE * <usize>atomic.add<i32>(allocated, 1);
      store<u32>(node, item, 8);
      store<u32>(node, position, 12);
      store<u64>(link, node);
      link = node;
    }
    store<u64>(link, 0);
  }
}

export function verifyLinkedLists(begin: u32, end: u32, heads: usize, length: u32, errors: usize): void {
  for (let item = begin; item < end; item++) {
    let node = <usize>load<u64>(heads + ((<usize>item) << 3));
    let position: u32 = 0;
    while (node != 0 && position <= length) {
      if (load<u32>(node, 8) != item || load<u32>(node, 12) != position) atomic.add<i32>(errors, 1);
      node = <usize>load<u64>(node);
      position++;
    }
    if (position != length) atomic.add<i32>(errors, 1);
  }
}

export function expectByte(begin: u32, end: u32, address: usize, expected: u32, errors: usize): void {
  if (load<u8>(address) != <u8>expected) atomic.add<i32>(errors, 1);
}

export function incrementThree(begin: u32, end: u32, struct: usize): void {
  for (let array: usize = 0; array < 3; array++) {
    const words = <usize>load<u64>(struct + (array << 3));
    for (let i = begin; i < end; i++) {
      const at = words + ((<usize>i) << 2);
      store<i32>(at, load<i32>(at) + 1);
    }
  }
}

export function produce(begin: u32, end: u32, out: usize, count: usize, seen: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    store<i32>(out + ((<usize>i) << 2), 3 * i + 1);
    atomic.store<i32>(count, i + 1);
    let answer = atomic.load<i32>(seen);
    while (answer != <i32>(i + 1) && answer >= 0) answer = atomic.load<i32>(seen);
    if (answer < 0) return;
  }
}

function beginRound(progress: usize, me: u32, lanes: u32, round: i32, rounds: i32): bool {
  let witnessed = true;
  for (let other: u32 = 0; other < lanes; other++) {
    if (other == me) continue;
    const word = progress + LANES + ((<usize>other) << 2);
    let done = atomic.load<i32>(word);
    while (done < round - 2) {
      if (atomic.load<i32>(progress + STOP) != 0) return false;
      done = atomic.load<i32>(word);
    }
    if (done < 1 || done >= rounds) witnessed = false;
  }
  if (witnessed) atomic.add<i32>(progress + WITNESS + ((<usize>me) << 2), 1);
  return true;
}

function endRound(progress: usize, me: u32, round: i32): void {
  atomic.store<i32>(progress + LANES + ((<usize>me) << 2), round);
}

export function writeBytes(
  begin: u32,
  end: u32,
  bytes: usize,
  size: u32,
  me: u32,
  lanes: u32,
  rounds: u32,
  progress: usize,
): void {
  for (let round: u32 = 1; round <= rounds; round++) {
    if (!beginRound(progress, me, lanes, round, rounds)) return;
    let wrong = 0;
    for (let i = me; i < size; i += lanes) {
      if (round > 1 && load<u8>(bytes + i) != <u8>(13 * i + 7 * (round - 1))) wrong++;
      store<u8>(bytes + i, <u8>(13 * i + 7 * round));
    }
    atomic.add<i32>(progress + ERRORS, wrong);
    endRound(progress, me, round);
  }
}

export function checkBytes(begin: u32, end: u32, bytes: usize, size: u32, rounds: u32, errors: usize): void {
  for (let i: u32 = 0; i < size; i++) {
    if (load<u8>(bytes + i) != <u8>(13 * i + 7 * rounds)) atomic.add<i32>(errors, 1);
  }
}

export function insertNodes(
  begin: u32,
  end: u32,
  table: usize,
  bins: u32,
  nodes: usize,
  count: u32,
  me: u32,
  lanes: u32,
  progress: usize,
): void {
  const rounds = (count + BATCH - 1) / BATCH;
  for (let round: u32 = 1; round <= rounds; round++) {
    if (!beginRound(progress, me, lanes, round, rounds)) return;
    for (let k = (round - 1) * BATCH; k < min(count, round * BATCH); k++) {
      const index = me * count + k;
      const node = nodes + NODE * <usize>index;
      const value: u32 = index * 2654435761;
      store<u32>(node, value, 8);
      store<u32>(node, me, 12);
      const bin = table + ((<usize>(value % bins)) << 3);
      let head = atomic.load<u64>(bin);
      while (true) {
        store<u64>(node, head);
        const found = atomic.cmpxchg<u64>(bin, head, node);
        if (found == head) break;
        atomic.add<i32>(progress + RETRIES, 1);
        head = found;
      }
    }
    endRound(progress, me, round);
  }
}

export function countNodes(begin: u32, end: u32, table: usize, bins: u32, most: u32, result: usize): void {
  let count: u32 = 0;
  let wrong: u32 = 0;
  let sum: u32 = 0;
  for (let bin: u32 = 0; bin < bins; bin++) {
    let node = <usize>atomic.load<u64>(table + ((<usize>bin) << 3));
    while (node != 0 && count <= most) {
      const value = load<u32>(node, 8);
      count++;
      if (value % bins != bin) wrong++;
      sum += value;
      node = <usize>load<u64>(node);
    }
  }
  store<u32>(result, count);
  store<u32>(result, wrong, 4);
  store<u32>(result, sum, 8);
}
