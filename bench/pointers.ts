/**
 * A kernel that follows a million pointers in an order that no prefetcher guesses, beside the same loop in C -O2 over
 * the same list, in a process of its own.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openMirror, wasmDevice } from '../dist/index.js';
import { beside, median, type Row, rounded } from './rows.ts';

const COUNT = 1_000_000;
const STEP = 618_033;
const kernels = new URL('../test/fixtures/kernels/build/basic.wasm', import.meta.url);
const source = fileURLToPath(new URL('./peers/follow.c', import.meta.url));

export async function pointerFollowing(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 5 : 25;
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  const { wasm } = mirror.devices;
  const follow = (await wasm.load(kernels)).kernel('follow', ['pointer', 'pointer']);
  const list = mirror.alloc(COUNT * 16, { name: 'list' });
  const out = mirror.alloc(64, { name: 'out' });
  const words = list.view(Uint32Array);
  for (let i = 0, at = 0; i < COUNT; i++, at = (at + STEP) % COUNT) {
    words[at * 4] = i % 1000;
    words[at * 4 + 2] = i === COUNT - 1 ? 0 : list.address + ((at + STEP) % COUNT) * 16;
  }
  const times: number[] = [];
  for (let round = -3; round < rounds; round++) {
    const command = wasm.queue.launch(follow, { items: 1, args: [list, out] });
    await command.done;
    if (round >= 0) times.push((command.times.finished! - command.times.started!) * 1e6);
  }
  const sum = out.view(BigInt64Array)[0];
  await mirror.close();

  const row: Row = {
    group: 'kernels',
    what: 'following 1e6 pointers, one core',
    unit: 'ms',
    ours: rounded(median(times) / 1e6),
    target: '0.9x of C or better',
  };
  const folder = mkdtempSync(join(tmpdir(), 'mirrorspace-bench-'));
  try {
    const program = join(folder, 'follow');
    const compiled = spawnSync('cc', ['-O2', '-o', program, source], { encoding: 'utf8' });
    if (compiled.status !== 0) return [{ ...row, peer: 'C -O2 (no C compiler here)' }];
    const ran = spawnSync(program, [String(COUNT), String(STEP), String(rounds)], { encoding: 'utf8' });
    const [time, theirSum] = ran.stdout.trim().split(' ');
    if (BigInt(theirSum!) !== sum) throw new Error(`the peer's sum is ${theirSum}, ours ${sum}`);
    return [beside(row, 'the same loop in C -O2', Number(time) / 1e6)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}
