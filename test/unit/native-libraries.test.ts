/**
 * Functions of shared libraries as kernels of a process device: real ones (zlib, the C library) and some of our own, with
 * pointers as they are, in the device's process.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import { type ArgumentKind, type Kernel, MiB, type NativeFunctions, ProgramError } from 'mirrorspace';
import { f64, pointer, struct } from 'mirrorspace/layout';
import { ownFunctions, ownLibrary, withoutC, withoutZlib } from '../fixtures/native-library.ts';
import { faultOf, fill, hostPages, PAGE, withSystem } from '../fixtures/system.ts';
import { kill, withProcess } from '../fixtures/with-process.ts';

const LIBC = 'libc.so.6';
const zlib = {
  library: 'libz.so.1',
  functions: {
    crc32: { parameters: ['u64', 'pointer', 'u32'], result: 'u64' },
    compress2: { parameters: ['pointer', 'pointer', 'pointer', 'u64', 'i32'], result: 'i32' },
    zlibVersion: { parameters: [], result: 'pointer' },
  },
} as const;

describe('zlib on a process device', { skip: withoutZlib }, () => {
  it('compresses a buffer of the mirror into another, in the process of the device', () =>
    withProcess(async ({ mirror, proc }) => {
      const library = await proc.load(zlib);
      assert.deepEqual(library.kernels, ['crc32', 'compress2', 'zlibVersion']);
      const text = mirror.alloc(MiB, { name: 'text' });
      for (let i = 0; i < MiB; i++) text.bytes[i] = (i * i) % 251;
      const packed = mirror.alloc(2 * MiB);
      const [length, status] = [mirror.alloc(8), mirror.alloc(4)];
      length.view(BigUint64Array)[0] = BigInt(packed.size);
      status.view(Int32Array)[0] = -1;
      const before = proc.counters();
      const compress2 = library.kernel('compress2');
      await proc.queue.launch(compress2, { items: 1, args: [packed, length, text, MiB, 9, status] }).done;
      assert.equal(status.view(Int32Array)[0], 0);
      const size = Number(length.view(BigUint64Array)[0]);
      assert.ok(size > 0 && size < MiB / 2, `${size} bytes`);
      assert.deepEqual(inflateSync(packed.bytes.subarray(0, size)), Buffer.from(text.bytes));
      const after = proc.counters();
      assert.equal(after.launches, before.launches + 1);
      assert.ok(after.faults > before.faults, 'the pages came by faults of the device');

      const pid = mirror.alloc(4);
      const libc = await proc.load({
        library: LIBC,
        functions: { getpid: { parameters: [], result: 'i32' } },
      });
      await proc.queue.launch(libc.kernel('getpid'), { items: 1, args: [pid] }).done;
      assert.equal(pid.view(Int32Array)[0], proc.pid);
      assert.notEqual(proc.pid, process.pid);
    }));

  it('reads memory that nobody allocated for it, and writes to an ArrayBuffer, where the device may', () =>
    withSystem(
      async ({ mirror, proc, out }) => {
        const library = await proc.load(zlib);
        const crc32 = library.kernel('crc32', ['u64', 'pointer', 'u32', 'pointer']);
        const pages = fill(hostPages(4, 1));
        pages.bytes.set(Buffer.from('hello'), 100);
        const before = proc.systemCounters();
        await proc.queue.launch(crc32, { items: 1, args: [0, pages.address + 100, 5, out] }).done;
        assert.equal(out.view(BigUint64Array)[0], 0x3610a686n);
        assert.ok(proc.systemCounters().fetches > before.fetches);

        const [plain, packed] = [new Uint8Array(64 * 1024).fill(7), new Uint8Array(4096)];
        const [length, status] = [BigUint64Array.of(4096n), Int32Array.of(-1)];
        const pins = [plain, packed, length, status].map((view) => mirror.pin(view));
        const args = [pins[1]!.address, pins[2]!.address, pins[0]!.address, plain.length, 9] as const;
        const compress2 = library.kernel('compress2');
        await proc.queue.launch(compress2, { items: 1, args: [...args, pins[3]!.address] }).done;
        assert.equal(status[0], 0);
        assert.deepEqual(inflateSync(packed.subarray(0, Number(length[0]))), Buffer.from(plain));
        assert.ok(proc.systemCounters().writtenBackBytes > 0);
        for (const pin of pins) pin[Symbol.dispose]();
      },
      { system: 'all' },
    ));

  it('may not store where the device may only read: a fault with the address, and no byte changes', () =>
    withSystem(async ({ proc, out }) => {
      const libc = await proc.load({
        library: LIBC,
        functions: { memset: { parameters: ['pointer', 'i32', 'u64'], result: 'pointer' } },
      });
      const pages = hostPages(2, 1);
      const launch = proc.queue.launch(libc.kernel('memset'), {
        items: 1,
        args: [pages.address, 9, PAGE, out],
      });
      const fault = await faultOf(launch);
      assert.equal(fault.reason, 'read-only');
      assert.equal(fault.kernel, 'memset');
      assert.ok(pages.bytes.subarray(0, PAGE).every((byte) => byte === 1));
    }));
});

describe('a library of our own on a process device', { skip: withoutC }, () => {
  const own = () => ({ library: pathToFileURL(ownLibrary()), functions: ownFunctions }) as const;

  it('follows pointers that the host has stored', () =>
    withProcess(async ({ mirror, proc }) => {
      const Node = struct('Node', {
        value: f64,
        get next() {
          return pointer(Node);
        },
      });
      const heap = mirror.heap();
      let head = 0;
      for (let i = 1; i <= 1000; i++) {
        const node = Node.in(heap).create();
        node.value = i;
        node.next = head;
        head = node.address;
      }
      const sum = mirror.alloc(8);
      const program = await proc.load(own());
      await proc.queue.launch(program.kernel('sum_list'), { items: 1, args: [head, sum] }).done;
      assert.equal(sum.view(Float64Array)[0], 500_500);
    }));

  it('is called once for each item, with the number of the item, and its results lie side by side', () =>
    withProcess(async ({ mirror, proc }) => {
      const program = await proc.load(own());
      const out = mirror.alloc(8 * 1000);
      await proc.queue.launch(program.kernel('square'), { items: 1000, chunk: 7, args: [3, out] }).done;
      out.view(BigUint64Array).forEach((value, i) => {
        assert.equal(value, BigInt(3 * i * i));
      });
      // One library for all cores: no call is counted twice, none is missing.
      const calls = mirror.alloc(4 * 100);
      await proc.queue.launch(program.kernel('count_call'), { items: 100, chunk: 1, args: [calls] }).done;
      const seen = [...calls.view(Uint32Array)].sort((a, b) => a - b);
      assert.deepEqual(
        seen,
        Array.from({ length: 100 }, (_, i) => i + 1),
      );
    }));

  it('is called for parts of the items where it takes their begin and end', () =>
    withProcess(async ({ mirror, proc }) => {
      const saxpy = (await proc.load(own())).kernel('saxpy');
      const [x, y] = [mirror.alloc(4 * 10_000), mirror.alloc(4 * 10_000)];
      x.view(Float32Array).forEach((_, i, all) => {
        all[i] = i;
      });
      y.view(Float32Array).fill(1);
      await proc.queue.launch(saxpy, { items: 10_000, chunk: 100, args: [2, x, y] }).done;
      y.view(Float32Array).forEach((value, i) => {
        assert.equal(value, 2 * i + 1);
      });
    }));

  it('is given functions of its own as callbacks: qsort of the C library with a comparison from here', () =>
    withProcess(async ({ mirror, proc }) => {
      const words = mirror.alloc(4 * 5000);
      const values = words.view(Int32Array);
      for (let i = 0; i < values.length; i++) values[i] = Math.imul(i, 2654435761);
      const expected = Int32Array.from(values).sort();
      const qsort = (await proc.load(own())).kernel('qsort');
      await proc.queue.launch(qsort, { items: 1, args: [words, values.length, 4] }).done;
      assert.deepEqual(values.slice(), expected);
    }));

  it('takes and gives every kind', () =>
    withProcess(async ({ mirror, proc }) => {
      const program = await proc.load(own());
      const out = mirror.alloc(64);
      const values = [2 ** 32 - 1, -5, 2 ** 40, -(2 ** 40), 0.5, 0.1, out.address + 8, -3] as const;
      await proc.queue.launch(program.kernel('all_kinds'), { items: 1, args: [out, ...values] }).done;
      assert.deepEqual([...out.view(Float64Array)], [...values]);

      async function call<const Kinds extends readonly ArgumentKind[]>(
        kernel: Kernel<Kinds>,
        ...rest: (number | bigint)[]
      ): Promise<DataView> {
        out.bytes.fill(0xee);
        await proc.queue.launch(kernel, { items: 1, args: [...rest, out] as never }).done;
        return new DataView(out.bytes.slice().buffer);
      }
      const narrow = await call(program.kernel('negative'));
      assert.deepEqual([narrow.getInt8(0), narrow.getUint8(1)], [-7, 0xee]);
      assert.equal((await call(program.kernel('odd'), 3)).getUint8(0), 1);
      const wide = await call(program.kernel('wide'));
      assert.deepEqual([wide.getUint16(0, true), wide.getUint8(2)], [65535, 0xee]);
      assert.equal((await call(program.kernel('half'), 3)).getFloat32(0, true), 1.5);
      const minus = await call(program.kernel('minus'), 2n ** 62n);
      assert.equal(minus.getBigInt64(0, true), -(2n ** 62n));
      const pick = await call(program.kernel('pick'), out.address, 3);
      assert.equal(pick.getBigUint64(0, true), BigInt(out.address + 12));
      // Null: the result is not wanted.
      await proc.queue.launch(program.kernel('negative'), { items: 3, args: [0] }).done;
    }));

  it('is loaded again with its device, and once for the same declaration', () =>
    withProcess(async ({ mirror, proc }) => {
      const program = await proc.load(own());
      assert.equal(await proc.load(own()), program);
      const part = await proc.load({
        library: ownLibrary(),
        functions: { negative: { parameters: [], result: 'i8' } },
      });
      const out = mirror.alloc(4);
      await kill(proc);
      await proc.reopen();
      await proc.queue.launch(program.kernel('getpid'), { items: 1, args: [out] }).done;
      assert.equal(out.view(Int32Array)[0], proc.pid);
      await proc.queue.launch(part.kernel('negative'), { items: 1, args: [out] }).done;
      assert.equal(out.view(Int8Array)[0], -7);
    }));
});

describe('a bad library or declaration', () => {
  const refused = (reason: string, words: RegExp) => (error: unknown) => {
    assert.ok(error instanceof ProgramError, String(error));
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, words);
    return true;
  };
  const getpid = { getpid: { parameters: [], result: 'i32' } } as const;

  it('is refused with a typed error, and the device works on', () =>
    withProcess(async ({ mirror, proc }) => {
      const load = (library: unknown, functions: unknown): Promise<unknown> =>
        proc.load({ library, functions } as never);
      await assert.rejects(
        load('libthere-is-none.so.7', getpid),
        refused('not-found', /libthere-is-none\.so\.7.*cannot open/),
      );
      await assert.rejects(load('./there/is/none.so', getpid), refused('not-found', /\/there\/is\/none\.so/));
      await assert.rejects(load(new URL(import.meta.url), getpid), refused('instantiate', /ELF/));
      await assert.rejects(
        load(LIBC, { ...getpid, there_is_none: { parameters: [] } }),
        refused('unknown-kernel', /libc\.so\.6.*'there_is_none'/),
      );
      await assert.rejects(
        load(LIBC, { qsort: { parameters: [{ symbol: 'no_such_callback' }] } }),
        refused('unknown-kernel', /'no_such_callback'/),
      );
      const kind = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
      const value = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
      for (const library of [7, null, undefined, {}]) await assert.rejects(load(library, getpid), kind);
      for (const library of ['', 'a\0b', new URL('https://example.com/a.so')])
        await assert.rejects(load(library, getpid), value);
      for (const functions of [
        7,
        null,
        undefined,
        [],
        { f: 7 },
        { f: null },
        { f: {} },
        { f: { parameters: 'f64' } },
      ])
        await assert.rejects(load(LIBC, functions), kind, JSON.stringify(functions));
      for (const parameters of [[7], [null], [{}], [{ symbol: 7 }]])
        await assert.rejects(load(LIBC, { f: { parameters } }), kind, JSON.stringify(parameters));
      for (const [parameters, result] of [
        [['int'], undefined],
        [[{ symbol: 'not a symbol' }], undefined],
        [['begin'], undefined],
        [['end', 'pointer'], undefined],
        [['begin', 'end', 'item'], undefined],
        [['begin', 'end'], 'i32'],
        [[], 'int'],
        [Array.from({ length: 24 }, () => 'u32'), 'u32'],
      ])
        await assert.rejects(load(LIBC, { f: { parameters, result } }), value, JSON.stringify(parameters));
      await assert.rejects(load(LIBC, { f: { parameters: [], result: 7 } }), kind);
      for (const functions of [{}, { 'not a symbol': { parameters: [] } }])
        await assert.rejects(load(LIBC, functions), value);

      const libc = await proc.load({ library: LIBC, functions: getpid });
      assert.throws(() => libc.kernel('fork' as never), refused('unknown-kernel', /'fork'.*getpid/));
      assert.throws(() => libc.kernel(7 as never), kind);
      assert.throws(() => libc.kernel('getpid', []), value);
      assert.throws(() => libc.kernel('getpid', 'pointer' as never), kind);
      const pid = mirror.alloc(4);
      const launch = (args: unknown): unknown =>
        proc.queue.launch(libc.kernel('getpid'), { items: 1, args: args as never });
      assert.throws(() => launch([]), value);
      assert.throws(() => launch(['here']), kind);
      await proc.queue.launch(libc.kernel('getpid'), { items: 1, args: [pid] }).done;
      assert.equal(pid.view(Int32Array)[0], proc.pid);
    }));

  it('does not compile in TypeScript', () => {
    const functions = { f: { parameters: ['pointer', 'item', 'u64'], result: 'f64' } } as const;
    const good: NativeFunctions = functions;
    // @ts-expect-error there is no such kind
    const bad: NativeFunctions = { f: { parameters: ['int'] } };
    assert.ok(good && bad);
    // Never called: only its types are looked at.
    const typed = async (proc: import('mirrorspace').ProcessDevice): Promise<void> => {
      const program = await proc.load({ library: LIBC, functions });
      const kernel: Kernel<readonly ['pointer', 'u64', 'pointer']> = program.kernel('f');
      proc.queue.launch(kernel, { items: 1, args: [0, 1n, 0] });
      // @ts-expect-error one argument too few
      proc.queue.launch(program.kernel('f'), { items: 1, args: [0, 1n] });
      // @ts-expect-error no bigint for a pointer
      proc.queue.launch(program.kernel('f'), { items: 1, args: [0n, 1n, 0] });
      // @ts-expect-error it was not declared
      program.kernel('g');
    };
    assert.equal(typeof typed, 'function');
  });
});

describe('a system call of a native library', () => {
  it('does not see pages that nobody has touched, and those that were brought up', () =>
    withProcess(
      async ({ mirror, proc }) => {
        const functions = { uname: { parameters: ['pointer'], result: 'i32' } } as const;
        const uname = (await proc.load({ library: LIBC, functions })).kernel('uname');
        const [names, status] = [mirror.alloc(PAGE), mirror.alloc(4)];
        status.bytes.fill(7);
        await proc.queue.migrate(status).done;
        await proc.queue.launch(uname, { items: 1, args: [names, status] }).done;
        assert.equal(status.view(Int32Array)[0], -1);
        await proc.queue.migrate(names).done;
        await proc.queue.launch(uname, { items: 1, args: [names, status] }).done;
        assert.equal(status.view(Int32Array)[0], 0);
        assert.match(Buffer.from(names.bytes).toString('latin1'), /^Linux\0/);
      },
      { cores: 1 },
    ));
});
