/**
 * A native library that must not be trusted, out of this process and with pointers that work: a reader of DNS names in C,
 * with the mistakes of many. The messages are ordinary Uint8Arrays, which nobody allocated for a device; the library is
 * given a pointer to a struct, and follows the pointer in that to the bytes. What crashes in it, hangs or goes astray
 * costs one answer, and this process goes on.
 *
 *     node --import tsx examples/native-library/main.ts
 *
 * @module
 */
import { createHash } from 'node:crypto';
import { DeviceFault, DeviceLost, openMirror, processDevice, TimeoutError } from 'mirrorspace';
import { pointer, struct, u32 } from 'mirrorspace/layout';
import colours from 'picocolors';
import { compile } from './compile.ts';
import { samples } from './messages.ts';

const Message = struct('Message', { bytes: pointer(), length: u32 });
const PATIENCE = 2000;

using library = compile(new URL('resolver.c', import.meta.url));
await using mirror = await openMirror({ devices: { native: processDevice({ cores: 1, system: 'read' }) } });
const { native } = mirror.devices;
const program = await native.load({
  library: library.path,
  functions: { read_name: { parameters: ['pointer', 'u32', 'pointer'], result: 'u32' } },
});
const readName = program.kernel('read_name');

const message = Message.in(mirror.heap()).create();
const name = mirror.alloc(4096, { name: 'name' });
const length = mirror.alloc(4, { name: 'length' });

/** What the library makes of a message that lies at an address. */
async function ask(address: number, size: number, offset: number): Promise<string> {
  message.bytes = address;
  message.length = size;
  const args = [message.address, offset, name, length] as const;
  await native.queue.launch(readName, { items: 1, args, timeout: PATIENCE }).done;
  return colours.green(Buffer.from(name.bytes.subarray(0, length.view(Uint32Array)[0])).toString());
}

/** What became of a launch that failed. The device is there again afterwards. */
async function explain(error: unknown): Promise<string> {
  await native.reopen();
  if (error instanceof DeviceLost)
    return colours.red(`${error.exit} in ${error.kernels.join()}: it took its process along`);
  if (error instanceof TimeoutError)
    return colours.red(`no end after ${PATIENCE} ms: ended, with its process`);
  if (error instanceof DeviceFault && error.address !== undefined)
    return colours.yellow(`fault: ${error.access} at 0x${error.address.toString(16)}, which is not there`);
  throw error;
}

async function row(title: string, address: number, size: number, offset: number): Promise<void> {
  const { pid } = native;
  const answer = await ask(address, size, offset).catch(explain);
  console.log(`  ${title.padEnd(26)}${String(pid).padEnd(10)}${answer}`);
}

const digest = (): string =>
  samples.reduce((hash, { bytes }) => hash.update(bytes), createHash('sha256')).digest('hex');
const before = digest();

console.log(`This is process ${process.pid}. read_name() runs in another one:\n`);
console.log(colours.dim(`  ${'message'.padEnd(26)}${'process'.padEnd(10)}answer`));
for (const { title, bytes, offset } of samples) {
  using pin = mirror.pin(bytes);
  await row(title, pin.address, pin.size, offset);
}
const gone = mirror.alloc(4096, { name: 'gone' });
gone.free();
await row('a message that was freed', gone.address, gone.size, 0);
using again = mirror.pin(samples[0]!.bytes);
await row('the first one again', again.address, again.size, samples[0]!.offset);

const { reopens, coreRestarts } = native.counters();
const untouched = digest() === before ? 'untouched' : 'CHANGED';
console.log(
  `\nProcess ${process.pid} is still here, and its messages are ${untouched}. The other was started ${reopens} times anew, its core ${coreRestarts} times.`,
);
