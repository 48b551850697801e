import { Worker, isMainThread } from 'node:worker_threads';
import { openMirror, wasmDevice } from 'mirrorspace';
if (isMainThread) { const w=new Worker(new URL(import.meta.url)); w.on('exit',c=>console.log('worker exit',c)); }
else { const m=await openMirror({devices:{wasm:wasmDevice()}}); await m.devices.wasm.queue.marker().done; console.log('worker ok'); process.exit(0);}
