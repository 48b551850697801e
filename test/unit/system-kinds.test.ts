/**
 * Any pointer of the process: memory of each kind that nobody allocated for a device, loaded and stored to by kernels of
 * another process at its address. Who else knows what is there is the judge: libc, the kernel's files in /proc, WebAssembly.
 */
import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { ProcessDevice } from 'mirrorspace';
import { addressOf, libcFunction, viewMemory } from '../../src/ffi/library.ts';
import { mappings } from '../fixtures/proc.ts';
import { faultOf, type SystemMirror, withSystem } from '../fixtures/system.ts';

const skip = process.env.MIRRORSPACE_REFUSED === 'userfaultfd' && 'needs userfaultfd';
const malloc = libcFunction('uintptr_t malloc(size_t)');
const free = libcFunction('void free(uintptr_t)');

/** Why that is out of reach: the device's process has something of its own there, in this run. */
function inTheWay(proc: ProcessDevice, address: number): string | undefined {
  const region = proc.unmirrorable().find(({ start, end }) => start <= address && address < end);
  return region && `the device has ${region.name} there in this run`;
}

const all = (body: (on: SystemMirror) => Promise<void>): Promise<void> => withSystem(body, { system: 'all' });

async function put({ proc, program }: SystemMirror, address: number, value: number): Promise<void> {
  const kernel = program.kernel('put', ['pointer', 'u32']);
  await proc.queue.launch(kernel, { items: 1, args: [address, value] }).done;
}

describe('memory that nobody allocated for a device', { skip }, () => {
  for (const [what, size] of [
    ['a small piece of malloc', 100],
    ['a large piece of malloc', 3_000_001],
  ] as const)
    it(`${what} is loaded and stored to`, (t: TestContext) =>
      all(async (on) => {
        const address = malloc(size) as number;
        try {
          const why = inTheWay(on.proc, address);
          if (why) return t.skip(why);
          const bytes = new Uint8Array(viewMemory(address, size));
          for (let i = 0; i < size; i++) bytes[i] = i * 7;
          const from = Math.max(0, size - 5000);
          assert.deepEqual(await on.read(address + from, size - from), bytes.slice(from));
          await put(on, address + size - 1, 201);
          assert.equal(bytes[size - 1], 201);
          assert.deepEqual(await on.read(address + size - 3, 3), bytes.slice(size - 3));
        } finally {
          free(address);
        }
      }));

  it('the stack, which the kernel reads in /proc/self/environ', (t: TestContext) =>
    all(async (on) => {
      // Fields from the third on, behind the name, which may have blanks and brackets in it (proc(5)).
      const stat = readFileSync('/proc/self/stat', 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [start, end] = [Number(fields[47]), Number(fields[48])];
      assert.equal(mappings().find((vma) => vma.start <= start && start < vma.end)?.name, '[stack]');
      const why = inTheWay(on.proc, start);
      if (why) return t.skip(why);
      const environ = (): Buffer => readFileSync('/proc/self/environ');
      const size = Math.min(end - start, 100_000);
      assert.ok(size > 10);
      assert.deepEqual(Buffer.from(await on.read(start, size)), environ().subarray(0, size));
      // The last letter of the first variable.
      const at = environ().indexOf(0) - 1;
      const was = environ()[at]!;
      await put(on, start + at, 0x7e);
      assert.equal(environ()[at], 0x7e);
      await put(on, start + at, was);
      assert.equal(environ()[at], was);
    }));

  it('the memory of a WebAssembly module of the host, and an ArrayBuffer', () =>
    all(async (on) => {
      const wasm = new Uint8Array(new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }).buffer);
      for (const bytes of [wasm, new Uint8Array(70_000), new Uint8Array(new SharedArrayBuffer(70_000))]) {
        const address = addressOf(bytes);
        bytes.fill(3);
        bytes[65_000] = 4;
        assert.deepEqual(await on.read(address + 64_999, 3), Uint8Array.of(3, 4, 3));
        await put(on, address + 65_001, 5);
        assert.deepEqual([...bytes.subarray(65_000, 65_003)], [4, 5, 3]);
      }
    }));

  it('a library as it is mapped here: what is in its file, which no store reaches', (t: TestContext) =>
    all(async (on) => {
      const library = mappings().find(
        ({ name, offset }) => /\/libc\.so\.6$|\/libc-[\d.]+\.so$/.test(name) && offset === 0,
      );
      if (!library) return t.skip('this libc is another one');
      const why = inTheWay(on.proc, library.start);
      if (why) return t.skip(why);
      const header = new Uint8Array(64);
      const fd = openSync(library.name, 'r');
      readSync(fd, header, 0, 64, 0);
      closeSync(fd);
      assert.deepEqual(await on.read(library.start, 64), header);
      assert.equal((await faultOf(put(on, library.start, 1))).errno, 'EPERM');
      assert.equal(new Uint8Array(viewMemory(library.start, 1))[0], header[0]);
    }));
});
