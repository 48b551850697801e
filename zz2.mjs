const t0=performance.now(); await import('mirrorspace'); const t1=performance.now();
const {createRequire}=await import('module'); const k=createRequire(import.meta.url)('koffi'); const t2=performance.now();
k.load(null).func('int getpid()')(); console.log('start',t0.toFixed(1),'import',(t1-t0).toFixed(1),'koffi',(t2-t1).toFixed(1), 'first', (performance.now()-t2).toFixed(1));
