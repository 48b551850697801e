// Two processes, one array: the parent's half. `node --import tsx examples/sharing/parent.ts`
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { openMirror } from 'mirrorspace';

const mirror = await openMirror({ devices: {} });
const handle = JSON.stringify(mirror.share());
const numbers = mirror.alloc(8_000_000, { name: 'numbers' }).view(Float64Array);
await once(fork(new URL('./child.ts', import.meta.url), [handle]), 'exit');
console.log(numbers[999_999]);
