import { openMirror, wasmDevice } from 'mirrorspace';
try { const m=await openMirror({devices:{wasm:wasmDevice()}}); console.log('ok'); await m.close(); } catch(e) { console.log(e.name, e.code, e.reason??e.missing, e.message) }
