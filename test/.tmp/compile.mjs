import asc from 'assemblyscript/asc';
export async function compile(source, extra = []) {
  let out;
  const flags = '--importMemory --sharedMemory --initialMemory 65536 --maximumMemory 65536 --enable threads --runtime stub -O3'.split(' ');
  const base = extra.includes('--memoryBase') ? [] : ['--memoryBase', '65536'];
  const { error, stderr } = await asc.main(['k.ts', '--outFile', 'k.wasm', ...flags, ...base, ...extra], { readFile: n => n === 'k.ts' ? source : null, writeFile: (n, c) => { if (n === 'k.wasm') out = c; }, listFiles: () => [] });
  if (error) throw new Error(stderr.toString());
  return out;
}
