/**
 * Arguments of OpenCL kernels beyond those of all devices: structures by value, and local memory. Kernels on PoCL give back
 * what they were given; what they were not to be given is refused before anything changes.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MiB, type OpenClProgram, UnsupportedError } from 'mirrorspace';
import {
  array,
  bits,
  bool,
  f32,
  f64,
  i16,
  i64,
  pointer,
  sizeof,
  struct,
  toOpenCL,
  u8,
  u32,
  u64,
  union,
} from 'mirrorspace/layout';
import { poclMissing } from '../fixtures/opencl.ts';
import { type OnOpenCl, withOpenCl } from '../fixtures/with-opencl.ts';

const skip = { skip: poclMissing() ?? false };

const Point = struct('Point', { x: f32, y: f32 });
const Value = union('Value', { whole: i64, real: f64 });
const Record = struct('Record', {
  tag: u8,
  small: i16,
  on: bool,
  at: Point,
  bytes: array(u8, 5),
  points: array(Point, 2),
  value: Value,
  low: bits(u32, 3),
  high: bits(u32, 29),
  to: u64,
});

const SOURCE = `
${toOpenCL(Record)}
typedef struct { uchar c[3]; } Triple;
// OpenCL C lets no structure with a pointer in: its bytes are those of a number.
typedef struct { ulong to; } Link;
kernel void follow(Link link, global double *out) { *out = *(global double *)link.to; }
kernel void give_back(struct Record given, global struct Record *out) { out[get_global_id(0)] = given; }
kernel void by_typedef(const Record given, uint n, Value value, global double *out) {
  out[0] = given.at.x + given.points[1].y;
  out[1] = n;
  out[2] = value.real;
  out[3] = *(global double *)given.to;
}
kernel void triple(Triple given, global uchar *out) { for (int i = 0; i < 3; i++) out[i] = given.c[i]; }
kernel void sum(global int *data, local int *part, local int *other, uint n) {
  local int own[16];
  size_t me = get_local_id(0);
  own[me % 16] = 0;
  part[me] = data[get_global_id(0)];
  other[me] = (int)me;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (me == 0) {
    int sum = 0;
    for (uint i = 0; i < n; i++) sum += part[i] + other[i] - (int)i;
    data[get_global_id(0)] = sum + own[0];
  }
}
kernel void picture(read_only image2d_t picture, sampler_t how, global int *out) { *out = 1; }
kernel void vector(float4 v, global int *out) { *out = 1; }
`;

type Loaded = OnOpenCl & { loaded: OpenClProgram };
const withKernels = (body: (on: Loaded) => Promise<void>) =>
  withOpenCl(async (on) => body({ ...on, loaded: await on.opencl.load(SOURCE) }));

/** Fields of a Record with every value that they can have. */
const point = fc.record(
  { x: fc.float({ noNaN: true }), y: fc.float({ noNaN: true }) },
  { noNullPrototype: true },
);
const record = fc.record(
  {
    tag: fc.nat(255),
    small: fc.integer({ min: -32768, max: 32767 }),
    on: fc.boolean(),
    at: point,
    bytes: fc.uint8Array({ minLength: 5, maxLength: 5 }),
    points: fc.tuple(point, point),
    value: fc.record({ whole: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }, { noNullPrototype: true }),
    low: fc.nat(7),
    high: fc.nat(2 ** 29 - 1),
    to: fc.nat(2 ** 47 - 1),
  },
  { noNullPrototype: true },
);

describe('structures by value', () => {
  test('arrive as their fields and as an accessor shows them, byte for byte', skip, async () => {
    await withKernels(async ({ mirror, opencl, loaded }) => {
      const buffer = mirror.alloc(4096);
      const giveBack = loaded.kernel('give_back', [Record, 'pointer']);
      const at = Record.in(buffer).at(buffer.address + 1024);
      await fc.assert(
        fc.asyncProperty(record, async (fields) => {
          buffer.bytes.fill(0);
          // A store field by field is the oracle of what is given as fields, at once.
          const { bytes, points, value, at: place, to, ...rest } = fields;
          Object.assign(at, rest);
          Object.assign(at.at, place);
          for (const [i, byte] of bytes.entries()) at.bytes.set(i, byte);
          for (const [i, each] of points.entries()) Object.assign(at.points.get(i), each);
          at.value.whole = value.whole;
          at.to = BigInt(to);
          const expected = buffer.bytes.slice(1024, 1024 + sizeof(Record));
          await opencl.queue.launch(giveBack, { items: 2, args: [fields, buffer] }).done;
          for (const start of [0, sizeof(Record)])
            assert.deepEqual(buffer.bytes.slice(start, start + sizeof(Record)), expected);
          await opencl.queue.launch(giveBack, { items: 1, args: [at, buffer.address + 2048] }).done;
          assert.deepEqual(buffer.bytes.slice(2048, 2048 + sizeof(Record)), expected);
        }),
        { numRuns: 30 },
      );
    });
  });

  test(
    'are copied at the call, stand among other arguments, and hold buffers as pointers',
    skip,
    async () => {
      await withKernels(async ({ mirror, opencl, loaded }) => {
        const [buffer, there] = [mirror.alloc(4096), mirror.alloc(4096)];
        there.view(Float64Array)[0] = 0.125;
        const kernel = loaded.kernel('by_typedef', [Record, 'u32', Value, 'pointer']);
        const at = Record.in(buffer).at(buffer.address + 1024);
        at.at.x = 4;
        at.points.get(1).y = 0.5;
        at.to = BigInt(there.address);
        const gate = mirror.createEvent();
        const command = opencl.queue.launch(kernel, {
          items: 1,
          args: [at, 7, { real: 2.5 }, buffer],
          after: gate,
        });
        at.at.x = 1000;
        gate.complete();
        await command.done;
        assert.deepEqual([...buffer.view(Float64Array).subarray(0, 4)], [4.5, 7, 2.5, 0.125]);
        const point = { x: 1, y: 2 };
        const fields = {
          ...{
            tag: 1,
            small: 2,
            on: true,
            at: point,
            bytes: [1, 2, 3, 4, 5],
            points: [point, at.points.get(1)],
          },
          ...{ value: { whole: 1n }, low: 1, high: 2, to: there },
        };
        await opencl.queue.launch(kernel, { items: 1, args: [fields, 8, { whole: 0n }, buffer] }).done;
        assert.deepEqual([...buffer.view(Float64Array).subarray(0, 4)], [1.5, 8, 0, 0.125]);
      });
    },
  );

  test('a pointer in the layout is a ulong in the program, and checked as pointers are', skip, async () => {
    await withKernels(async ({ mirror, opencl, loaded }) => {
      const Link = struct('Link', { to: pointer(f64) });
      const [out, there] = [mirror.alloc(64), mirror.alloc(64)];
      there.view(Float64Array)[1] = 0.75;
      const follow = loaded.kernel('follow', [Link, 'pointer']);
      await opencl.queue.launch(follow, { items: 1, args: [{ to: there.address + 8 }, out] }).done;
      assert.equal(out.view(Float64Array)[0], 0.75);
      await opencl.queue.launch(follow, { items: 1, args: [{ to: there }, out] }).done;
      assert.equal(out.view(Float64Array)[0], 0);
      const launch = (to: number) => opencl.queue.launch(follow, { items: 1, args: [{ to }, out] });
      for (const to of [-1, 2 ** 47, 0.5]) assert.throws(() => launch(to), { code: 'ERR_OUT_OF_RANGE' });
    });
  });

  test('kinds are held to the name and the size that the program has', skip, async () => {
    await withKernels(async ({ mirror, opencl, loaded }) => {
      const Triple = struct('Triple', { c: array(u8, 3) });
      const buffer = mirror.alloc(64);
      const triple = loaded.kernel('triple', [Triple, 'pointer']);
      await opencl.queue.launch(triple, { items: 1, args: [{ c: Uint8Array.of(7, 8, 9) }, buffer] }).done;
      assert.deepEqual([...buffer.bytes.subarray(0, 4)], [7, 8, 9, 0]);
      const wrong = { code: 'ERR_OUT_OF_RANGE' };
      const Four = struct('Triple', { c: array(u8, 4) });
      assert.throws(() => loaded.kernel('triple', [Four, 'pointer']), {
        ...wrong,
        message: /of 3 bytes.*toOpenCL/,
      });
      assert.throws(() => loaded.kernel('triple', [Point, 'pointer']), { ...wrong, message: /'Triple'/ });
      assert.throws(() => loaded.kernel('triple', ['pointer', 'pointer']), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.throws(() => loaded.kernel('give_back', [Record, Record]), { code: 'ERR_INVALID_ARG_TYPE' });
    });
  });

  test(
    'what is no such value is refused with the argument and its field, and nothing is launched',
    skip,
    async () => {
      await withKernels(async ({ mirror, opencl, loaded }) => {
        const buffer = mirror.alloc(4096);
        const freed = mirror.alloc(4096);
        freed.free();
        const kernel = loaded.kernel('by_typedef', [Record, 'u32', Value, 'pointer']);
        const point = { x: 1, y: 2 };
        const good = {
          ...{ tag: 1, small: 2, on: true, at: point, bytes: [1, 2, 3, 4, 5], points: [point, point] },
          ...{ value: { whole: 1n }, low: 1, high: 2, to: buffer },
        };
        const launch = (given: unknown, value: unknown = { real: 1 }) =>
          opencl.queue.launch(kernel, { items: 1, args: [given, 1, value, buffer] as never });
        const kind = 'ERR_INVALID_ARG_TYPE';
        const range = 'ERR_OUT_OF_RANGE';
        for (const [given, code, message] of [
          [null, kind, /args\[0\]/],
          [7, kind, /args\[0\]/],
          [{}, kind, /args\[0\]\.tag/],
          [{ ...good, more: 1 }, range, /args\[0\].*more/],
          [{ ...good, tag: 256 }, range, /args\[0\]\.tag/],
          [{ ...good, tag: '1' }, kind, /args\[0\]\.tag/],
          [{ ...good, at: { x: 1 } }, kind, /args\[0\]\.at\.y/],
          [{ ...good, at: Point }, range, /args\[0\]\.at/],
          [{ ...good, bytes: [1, 2, 3, 4] }, range, /args\[0\]\.bytes\.length/],
          [{ ...good, bytes: [1, 2, 3, 4, -1] }, range, /args\[0\]\.bytes\[4\]/],
          [{ ...good, bytes: '12345' }, kind, /args\[0\]\.bytes/],
          [{ ...good, points: [point, 1] }, kind, /args\[0\]\.points\[1\]/],
          [{ ...good, value: {} }, kind, /args\[0\]\.value/],
          [{ ...good, value: { whole: '1' } }, kind, /args\[0\]\.value\.whole/],
          [{ ...good, low: 8 }, range, /args\[0\]\.low/],
          [{ ...good, to: -1 }, range, /args\[0\]\.to/],
          [{ ...good, to: 2 ** 60 }, range, /args\[0\]\.to/],
          [{ ...good, to: freed }, 'ERR_MIRROR_STATE', /args\[0\]\.to/],
          [Point.in(buffer).at(buffer.address), kind, /args\[0\]/],
          [buffer, range, /args\[0\].*fields of Record/],
        ] as const)
          assert.throws(() => launch(given), { code, message }, String(message));
        assert.throws(() => launch(good, { whole: 1n, other: 1 }), { code: range });
        assert.equal(opencl.counters().launches, 0);
        await launch(good).done;
      });
    },
  );

  test('images, samplers and vectors are refused by what they are', skip, async () => {
    await withKernels(async ({ loaded }) => {
      for (const [name, kinds, message] of [
        ['picture', ['pointer', 'u64', 'pointer'], /image2d_t picture/],
        ['vector', [Point, 'pointer'], /float4 v/],
      ] as const)
        assert.throws(
          () => loaded.kernel(name, kinds),
          (error: unknown) => {
            assert.ok(error instanceof UnsupportedError);
            assert.equal(error.missing, 'such a kernel argument');
            assert.match(error.message, message);
            return true;
          },
        );
    });
  });
});

describe('local memory', () => {
  test('is as large as the launch says, each argument for itself and for each work-group', skip, async () => {
    await withKernels(async ({ mirror, opencl, loaded }) => {
      const sum = loaded.kernel('sum', ['pointer', 'local', 'local', 'u32']);
      const buffer = mirror.alloc(MiB);
      const data = buffer.view(Int32Array);
      for (const local of [4, 64, 256]) {
        data.fill(0);
        for (let i = 0; i < 1024; i++) data[i] = i;
        const args = [buffer, 4 * local, 4 * local, local] as const;
        await opencl.queue.launch(sum, { items: 1024, local, args }).done;
        for (let first = 0; first < 1024; first += local)
          assert.equal(
            data[first],
            local * first + (local * (local - 1)) / 2,
            `group at ${first} of ${local}`,
          );
      }
    });
  });

  test(
    'more than a work-group has is refused, with what there is, before anything changes',
    skip,
    async () => {
      await withKernels(async ({ mirror, opencl, loaded }) => {
        const { localMemory } = opencl.info;
        const sum = loaded.kernel('sum', ['pointer', 'local', 'local', 'u32']);
        const buffer = mirror.alloc(4096);
        const launch = (...sizes: unknown[]) =>
          opencl.queue.launch(sum, { items: 1, local: 1, args: [buffer, ...sizes, 1] as never });
        // The kernel has 64 bytes of its own.
        const message = new RegExp(`at most ${localMemory - 64} bytes`);
        const range = 'ERR_OUT_OF_RANGE';
        assert.throws(() => launch(localMemory, 4), { code: range, message });
        assert.throws(() => launch(localMemory / 2, localMemory / 2), { code: range, message });
        for (const bad of [0, -4, 1.5, Number.NaN, 2 ** 60])
          assert.throws(() => launch(4, bad), { code: range });
        for (const bad of ['4', null, undefined, buffer, 4n])
          assert.throws(() => launch(4, bad), { code: 'ERR_INVALID_ARG_TYPE' });
        assert.throws(() => launch(4), { code: range });
        assert.equal(opencl.counters().launches, 0);
        await launch(localMemory / 2 - 32, localMemory / 2 - 32).done;
      });
    },
  );
});
