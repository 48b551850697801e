// A noisy curve is smoothed on a device of two cores, a thousand times, in two buffers that host and device share.
import { openMirror, wasmDevice } from 'mirrorspace';

const POINTS = 100_000;
const ROUNDS = 1_000;

const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 2 }) } });
const { wasm } = mirror.devices;

const [a, b] = ['a', 'b'].map((name) => mirror.alloc(POINTS * 8, { name }));
if (!a || !b) throw new Error('two buffers');
const curve = a.view(Float64Array);
for (let i = 0; i < POINTS; i++) curve[i] = Math.sin((i / POINTS) * 2 * Math.PI) + (i % 2 === 0 ? 0.5 : -0.5);
const roughness = (points: Float64Array): number =>
  points.reduce((sum, value, i) => sum + (i === 0 ? 0 : Math.abs(value - points[i - 1]!)), 0);
const before = roughness(curve);

const program = await wasm.load(new URL('./smooth.wasm', import.meta.url));
const smooth = program.kernel('smooth', ['pointer', 'pointer', 'u32']);
// Commands of a queue run in order: there is nothing to wait for in between.
let last = wasm.queue.launch(smooth, { items: POINTS, args: [a, b, POINTS] });
for (let round = 1; round < ROUNDS; round++) {
  const args = round % 2 === 1 ? ([b, a, POINTS] as const) : ([a, b, POINTS] as const);
  last = wasm.queue.launch(smooth, { items: POINTS, args });
}
await last.done;

const result = (ROUNDS % 2 === 1 ? b : a).view(Float64Array);
console.log(
  `roughness ${before.toFixed(0)} -> ${roughness(result).toFixed(3)}, peak ${Math.max(...result).toFixed(3)}`,
);
console.log(`${ROUNDS} launches over ${POINTS} points; the curve never left ${a.name} and ${b.name}`);
await mirror.close();
