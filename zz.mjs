import { openMirror, wasmDevice } from 'mirrorspace';
const m = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
const { wasm } = m.devices;
const p = await wasm.load(new URL('./test/fixtures/kernels/build/basic.wasm', import.meta.url));
const kernel = p.kernel('nothing', []);
for (let r = 0; r < 6; r++) {
  let t = performance.now(), c = process.cpuUsage();
  for (let k = 0; k < 20; k++) { for (let i = 0; i < 999; i++) wasm.queue.launch(kernel, { items: 1, args: [] }); await wasm.queue.launch(kernel, { items: 1, args: [] }).done; }
  let d = process.cpuUsage(c); console.log('batch', ((performance.now() - t) / 20).toFixed(2), 'us; host cpu', ((d.user+d.system)/20000).toFixed(2));
  t = performance.now(); c = process.cpuUsage();
  for (let i = 0; i < 3000; i++) await wasm.queue.launch(kernel, { items: 1, args: [] }).done;
  d = process.cpuUsage(c); console.log('await', ((performance.now() - t) / 3).toFixed(2), 'us; host cpu', ((d.user+d.system)/3000).toFixed(2));
  t = performance.now(); c = process.cpuUsage();
  for (let i = 0; i < 3000; i++) wasm.queue.launch(kernel, { items: 1, args: [] }).wait();
  d = process.cpuUsage(c); console.log('wait', ((performance.now() - t) / 3).toFixed(2), 'us; host cpu', ((d.user+d.system)/3000).toFixed(2));
}
await m.close();
