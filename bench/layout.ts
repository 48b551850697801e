/**
 * Accessors of `mirrorspace/layout` beside DataView and typed-array code written by hand for the same structure: the sum
 * over a million nodes, and a list of a million pointers followed. Each loop is a function of some ten thousand nodes,
 * called for one stretch after another, as programs do; one long loop is measured as well, since V8 replaces a loop
 * that is still running with code that knows less about it. Other structures are used first, so that the accessors'
 * shared code has seen more than one type, as in any program.
 *
 * @module
 */
import { array, bool, f32, f64, type LayoutMemory, pointer, struct, u16, u32 } from '../dist/layout/index.js';
import { beside, inTurn, type Row, rounded } from './rows.ts';

const COUNT = 1_000_000;
const STRETCH = 10_000;
/** Above 2^32, where most buffers lie: addresses are no small integers there. */
const BASE = 0x7e00_0000_0000;

const Node = struct('Node', {
  value: f64,
  get left() {
    return pointer(Node);
  },
  tag: u32,
});
const SIZE = 24;

type Loop = (begin: number, end: number) => number;

export async function layoutAccess(quick: boolean): Promise<Row[]> {
  const rounds = { warmups: quick ? 2 : 8, rounds: quick ? 3 : 25 };
  const bytes = new Uint8Array(COUNT * SIZE);
  const memory: LayoutMemory = { address: BASE, size: bytes.length, bytes };
  useOtherTypes();
  const ours = accessorLoops(memory);
  const view = dataViewLoops(bytes, memory.address);
  const typed = typedArrayLoops(bytes);

  const rows: Row[] = [];
  const measure = (what: string, mine: Loop, hand: Loop, arrays: Loop | undefined, stretch = STRETCH) => {
    if (mine(0, COUNT) !== hand(0, COUNT)) throw new Error(`${what}: the sums differ`);
    const contenders = [mine, hand, ...(arrays ? [arrays] : [])].map((loop) => () => {
      for (let i = 0; i < COUNT; i += stretch) loop(i, i + stretch);
    });
    const [time, byHand, byArrays] = inTurn(COUNT, contenders, rounds);
    const row: Row = { group: 'layout', what, unit: 'ns', ours: rounded(time!) };
    // An accessor for each node is an allocation for each node: measured, and no way to write a loop.
    if (mine !== ours.sumAt) row.target = 'at most 1.5x the time of DataView code';
    rows.push(beside(row, 'DataView by hand', byHand!));
    if (byArrays !== undefined) rows.push(beside(row, 'typed arrays by hand', byArrays));
  };
  measure('write a node: value, tag, pointer', ours.fill, view.fill, typed.fill);
  // By index there is no address to work with; by address, both subtract where the memory begins.
  measure('sum of nodes, array(Node, 1e6).get(i)', ours.sumArray, view.sum, typed.sum);
  measure('sum of nodes, move(address)', ours.sum, view.sumByAddress, undefined);
  measure('sum of nodes, at(address) each time', ours.sumAt, view.sumByAddress, undefined);
  measure('sum of nodes, move(address), one long loop', ours.sum, view.sumByAddress, undefined, COUNT);
  measure('follow 1e6 pointers, in order', ours.follow, view.follow, typed.follow);
  shuffle(bytes);
  measure('follow 1e6 pointers, in no order', ours.follow, view.follow, typed.follow);
  return rows;
}

function accessorLoops(memory: LayoutMemory) {
  const nodes = Node.in(memory);
  const all = array(Node, COUNT).in(memory).at(BASE);
  const node = nodes.at(BASE);
  return {
    fill(begin: number, end: number) {
      for (let i = begin; i < end; i++) {
        const at = BASE + i * SIZE;
        node.move(at);
        node.value = i;
        node.tag = i;
        node.left = i + 1 < COUNT ? at + SIZE : BASE;
      }
      return 0;
    },
    sum(begin: number, end: number) {
      let sum = 0;
      for (let i = begin; i < end; i++) {
        node.move(BASE + i * SIZE);
        sum += node.value + node.tag;
      }
      return sum;
    },
    sumArray(begin: number, end: number) {
      let sum = 0;
      for (let i = begin; i < end; i++) {
        const each = all.get(i);
        sum += each.value + each.tag;
      }
      return sum;
    },
    sumAt(begin: number, end: number) {
      let sum = 0;
      for (let i = begin; i < end; i++) {
        const each = nodes.at(BASE + i * SIZE);
        sum += each.value + each.tag;
      }
      return sum;
    },
    follow(begin: number, end: number) {
      let sum = 0;
      node.move(BASE + begin * SIZE);
      for (let i = begin; i < end; i++) {
        sum += node.value;
        node.move(node.left);
      }
      return sum;
    },
  };
}

const WORD = 2 ** 32;

function dataViewLoops(bytes: Uint8Array, origin: number) {
  const view = new DataView(bytes.buffer);
  return {
    fill(begin: number, end: number) {
      for (let i = begin; i < end; i++) {
        const at = i * SIZE;
        const left = i + 1 < COUNT ? BASE + at + SIZE : BASE;
        view.setFloat64(at, i, true);
        view.setUint32(at + 16, i, true);
        view.setUint32(at + 8, left % WORD, true);
        view.setUint32(at + 12, Math.floor(left / WORD), true);
      }
      return 0;
    },
    sum(begin: number, end: number) {
      let sum = 0;
      for (let i = begin; i < end; i++) {
        sum += view.getFloat64(i * SIZE, true) + view.getUint32(i * SIZE + 16, true);
      }
      return sum;
    },
    sumByAddress(begin: number, end: number) {
      let sum = 0;
      for (let i = begin; i < end; i++) {
        const at = BASE + i * SIZE - origin;
        sum += view.getFloat64(at, true) + view.getUint32(at + 16, true);
      }
      return sum;
    },
    follow(begin: number, end: number) {
      let sum = 0;
      let at = begin * SIZE;
      for (let i = begin; i < end; i++) {
        sum += view.getFloat64(at, true);
        at = view.getUint32(at + 8, true) + view.getUint32(at + 12, true) * WORD - BASE;
      }
      return sum;
    },
  };
}

function typedArrayLoops(bytes: Uint8Array) {
  const doubles = new Float64Array(bytes.buffer);
  const words = new Uint32Array(bytes.buffer);
  return {
    fill(begin: number, end: number) {
      for (let i = begin; i < end; i++) {
        const left = i + 1 < COUNT ? BASE + i * SIZE + SIZE : BASE;
        doubles[i * 3] = i;
        words[i * 6 + 4] = i;
        words[i * 6 + 2] = left % WORD;
        words[i * 6 + 3] = Math.floor(left / WORD);
      }
      return 0;
    },
    sum(begin: number, end: number) {
      let sum = 0;
      for (let i = begin; i < end; i++) sum += doubles[i * 3]! + words[i * 6 + 4]!;
      return sum;
    },
    follow(begin: number, end: number) {
      let sum = 0;
      let at = begin * SIZE;
      for (let i = begin; i < end; i++) {
        sum += doubles[at / 8]!;
        at = words[at / 4 + 2]! + words[at / 4 + 3]! * WORD - BASE;
      }
      return sum;
    },
  };
}

/** Links the nodes into one circle in a random order. */
function shuffle(bytes: Uint8Array): void {
  const words = new Uint32Array(bytes.buffer);
  const order = Uint32Array.from({ length: COUNT }, (_, i) => i);
  for (let i = COUNT - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  for (let i = 0; i < COUNT; i++) {
    const next = BASE + order[(i + 1) % COUNT]! * SIZE;
    words[order[i]! * 6 + 2] = next % WORD;
    words[order[i]! * 6 + 3] = Math.floor(next / WORD);
  }
}

function useOtherTypes(): void {
  for (let k = 0; k < 12; k++) {
    const Other = struct(`Other${k}`, {
      flag: bool,
      count: u16,
      weight: f32,
      next: pointer(),
      total: f64,
      rows: array(u32, k + 1),
    });
    const other = Other.in({ address: 4096, size: 4096, bytes: new Uint8Array(4096) }).at(4096);
    for (let i = 0; i < 500; i++) {
      other.move(4096 + 8 * i - 8 * Math.floor(i / 100) * 100);
      other.flag = !other.flag;
      other.count = i;
      other.weight = other.count;
      other.next = other.address;
      other.total = other.weight + other.next;
      other.rows.set(0, i);
      other.rows.set(k, other.rows.get(0));
    }
  }
}
