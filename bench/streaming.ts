/**
 * A streaming kernel, out[i] = a[i] * factor + b[i] in doubles over 96 MiB, scalar and with vectors of 128 bits, beside
 * the same loop in C -O2 (which the compiler may vectorize), on one core and on two.
 *
 * @module
 */
import { compileAssemblyScript, MiB, openMirror, wasmDevice } from '../dist/index.js';
import { runPeer } from './c-peer.ts';
import { beside, median, type Row, rounded } from './rows.ts';

const COUNT = (32 * MiB) / 8;

const SOURCE = `
  export function scalar(begin: u32, end: u32, out: usize, a: usize, b: usize, factor: f64): void {
    const last = <usize>end << 3;
    for (let at = <usize>begin << 3; at < last; at += 8)
      store<f64>(out + at, load<f64>(a + at) * factor + load<f64>(b + at));
  }
  export function vectors(begin: u32, end: u32, out: usize, a: usize, b: usize, factor: f64): void {
    const by = f64x2.splat(factor);
    const last = <usize>end << 3;
    for (let at = <usize>begin << 3; at < last; at += 32) {
      v128.store(out + at, f64x2.add(f64x2.mul(v128.load(a + at), by), v128.load(b + at)));
      v128.store(out + at, f64x2.add(f64x2.mul(v128.load(a + at, 16), by), v128.load(b + at, 16)), 16);
    }
  }`;

async function onCores(cores: number, rounds: number): Promise<Row[]> {
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores }) } });
  const { wasm } = mirror.devices;
  const program = await wasm.load(await compileAssemblyScript(SOURCE, { flags: ['--enable', 'simd'] }));
  const [a, b, out] = [mirror.alloc(8 * COUNT), mirror.alloc(8 * COUNT), mirror.alloc(8 * COUNT)];
  const from = a.view(Float64Array);
  for (let i = 0; i < COUNT; i++) from[i] = i;
  b.view(Float64Array).fill(1);
  const where = cores === 1 ? 'one core' : `${cores} cores`;
  const measured: { name: string; time: number; sum: number }[] = [];
  for (const name of ['scalar', 'vectors']) {
    out.view(Float64Array).fill(0);
    const kernel = program.kernel(name, ['pointer', 'pointer', 'pointer', 'f64']);
    const times: number[] = [];
    for (let round = -3; round < rounds; round++) {
      const command = wasm.queue.launch(kernel, { items: COUNT, chunk: 1 << 16, args: [out, a, b, 0.5] });
      await command.done;
      if (round >= 0) times.push((command.times.finished! - command.times.started!) * 1e6);
    }
    let sum = 0;
    const results = out.view(Float64Array);
    for (let i = 0; i < COUNT; i += 4099) sum += results[i]!;
    measured.push({ name, time: median(times), sum });
  }
  await mirror.close();

  const peer = runPeer('stream', COUNT, cores, rounds);
  return measured.map(({ name, time, sum }) => {
    const row: Row = {
      group: 'kernels',
      what: `streaming 96 MiB, ${name === 'scalar' ? 'scalar' : 'SIMD'}, ${where}`,
      unit: 'ms',
      ours: rounded(time / 1e6),
      target: '0.7x of C or better',
    };
    if (!peer) return { ...row, peer: 'C -O2 (no C compiler here)' };
    if (Number(peer[1]) !== sum) throw new Error(`the peer's sum is ${peer[1]}, ours ${sum}`);
    return beside(row, 'the same loop in C -O2', Number(peer[0]) / 1e6);
  });
}

export async function streaming(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 25 : 75;
  return [...(await onCores(1, rounds)), ...(await onCores(2, rounds))];
}
