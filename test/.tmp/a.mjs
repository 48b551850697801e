import { openMirror, wasmDevice, MiB, KiB } from 'mirrorspace';
const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
const { wasm } = mirror.devices;
const basic = await wasm.load(new URL('../fixtures/kernels/build/basic.wasm', import.meta.url));
const out = mirror.alloc(64*KiB);
const c = new AbortController();
const cmd = wasm.queue.launch(basic.kernel('forever', ['pointer']), { items: 1, args: [out], signal: c.signal });
cmd.done.catch(e=>console.log('aborted', e.message));
const r = await Promise.race([mirror.close().then(()=>'closed'), new Promise(r=>setTimeout(r,1500,'still closing'))]);
console.log(r); c.abort(new Error('stop')); await mirror.close(); console.log('closed now');
// views
const m2 = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
const b = m2.alloc(1*MiB,{name:'v'}); const bytes=b.bytes; bytes[0]=7; const a=b.address; b.free();
console.log(process.version, 'length', bytes.length, bytes[0]);
console.log(m2.occupants({start:a,end:a+1}).map(o=>o.kind+' '+o.name));
const b2 = m2.alloc(1*MiB); console.log('same address at once', b2.address===a);
b2.free(); const b3=m2.alloc(1*MiB); console.log('unviewed reused', b3.address===b2.address);
const p1=m2.plan(64*KiB,{align:2**32}); console.log(p1.ok||p1.refusal.reason, p1.refusal?.remedies);
console.log(m2.query(b3.address+5));
const cmd2=m2.devices.wasm.queue.marker(); cmd2.wait(); console.log(cmd2.status, cmd2.times, cmd2.progress);
await m2.close();
try { console.log('after close', bytes[0]); } catch(e){}
