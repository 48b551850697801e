// Opens a mirror, runs one kernel, and leaves at once: what bench/startup.ts times.
import { openMirror, wasmDevice } from '../../dist/index.js';

const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
const { wasm } = mirror.devices;
const program = await wasm.load(new URL('../../test/fixtures/kernels/build/basic.wasm', import.meta.url));
await wasm.queue.launch(program.kernel('nothing', []), { items: 1, args: [] }).done;
process.exit(0);
