/**
 * The cache of compiled OpenCL programs: what decides on a file, what a damaged file does, and on PoCL that the binary of
 * the file is what runs, whatever its source says.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import {
  type Mirror,
  type OpenClDevice,
  type OpenClDeviceOptions,
  openclDevice,
  openMirror,
} from 'mirrorspace';
import { f32, struct, u8 } from 'mirrorspace/layout';
import {
  BinaryCache,
  type CacheEntry,
  cacheFolder,
  decodeEntry,
  encodeEntry,
} from '../../src/device/opencl/binary-cache.ts';
import type { OpenClDeviceInfo } from '../../src/device/opencl/icd/devices.ts';
import { POCL, poclMissing } from '../fixtures/opencl.ts';
import { runProgram } from '../fixtures/run-child.ts';

const skip = { skip: poclMissing() ?? false };
const above = mkdtempSync(join(tmpdir(), 'opencl-cache-'));
after(() => rmSync(above, { recursive: true, force: true }));
let folders = 0;
const newFolder = () => join(above, `cache-${++folders}`);

const answer = (value: number) => `kernel void answer(global int *out) { *out = ${value}; }`;

interface Asked {
  /** What the kernel stores, and whether the cache had its program. */
  ask(source: string, options?: string): Promise<{ answer: number; fromCache: boolean }>;
  readonly mirror: Mirror<{ opencl: OpenClDevice }>;
}

async function withCache(cache: OpenClDeviceOptions['cache'], body: (on: Asked) => Promise<void>) {
  process.env.OCL_ICD_VENDORS = POCL;
  const opencl = openclDevice(cache === undefined ? {} : { cache });
  const mirror = await openMirror({ devices: { opencl } });
  const { queue } = mirror.devices.opencl;
  const buffer = mirror.alloc(64);
  const ask = async (source: string, options = '') => {
    const program = await mirror.devices.opencl.load(source, { options });
    await queue.launch(program.kernel('answer', ['pointer']), { items: 1, args: [buffer] }).done;
    return { answer: buffer.view(Int32Array)[0]!, fromCache: program.fromCache };
  };
  try {
    await body({ ask, mirror });
  } finally {
    await mirror.close();
  }
}

/** The files of a cache by their names, which are their keys. */
const files = (folder: string) =>
  new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));

describe('the cache of OpenCL programs on PoCL', () => {
  test(
    'what a file has is what runs, though the source says something else: nothing is compiled',
    skip,
    async () => {
      const folder = newFolder();
      await withCache(folder, async ({ ask }) => {
        assert.deepEqual(await ask(answer(1)), { answer: 1, fromCache: false });
        const [one] = files(folder).keys();
        assert.deepEqual(await ask(answer(2)), { answer: 2, fromCache: false });
        const [two] = [...files(folder)].filter(([name]) => name !== one);
        // The second program under the name of the first.
        writeFileSync(join(folder, one!), encodeEntry(one!, decodeEntry(two![0], two![1])!));
        assert.deepEqual(await ask(answer(1)), { answer: 2, fromCache: true });
        // Other options make another program of a source.
        assert.deepEqual(await ask(answer(1), '-DX'), { answer: 1, fromCache: false });
        assert.deepEqual(await ask(answer(1), '-DX'), { answer: 1, fromCache: true });
      });
      await withCache(folder, async ({ ask }) => {
        assert.deepEqual(await ask(answer(1)), { answer: 2, fromCache: true });
      });
      await withCache(undefined, async ({ ask }) => {
        assert.deepEqual(await ask(answer(1)), { answer: 1, fromCache: false });
      });
    },
  );

  test('a damaged file is compiled anew, and whole afterwards', skip, async () => {
    const folder = newFolder();
    const damages: readonly ((bytes: Buffer) => Uint8Array)[] = [
      (bytes) => bytes.subarray(0, bytes.length - 1),
      () => new Uint8Array(),
      () => new Uint8Array(5000).fill(7),
      (bytes) => bytes.map((byte, i) => (i === bytes.length >> 1 ? byte ^ 1 : byte)),
    ];
    await withCache(folder, async ({ ask }) => {
      await ask(answer(5));
      for (const damage of damages) {
        for (const [name, bytes] of files(folder)) writeFileSync(join(folder, name), damage(bytes));
        assert.deepEqual(await ask(answer(5)), { answer: 5, fromCache: false });
        for (const [name, bytes] of files(folder)) assert.ok(decodeEntry(name, bytes));
        assert.deepEqual(await ask(answer(5)), { answer: 5, fromCache: true });
      }
    });
  });

  test('a binary that the driver does not take is compiled anew', skip, async () => {
    const folder = newFolder();
    await withCache(folder, async ({ ask }) => {
      await ask(answer(6));
      for (const [name, bytes] of files(folder)) {
        // Whole as a file, and no binary of PoCL's.
        const entry = { ...decodeEntry(name, bytes)!, binary: new Uint8Array(100).fill(1) };
        writeFileSync(join(folder, name), encodeEntry(name, entry));
      }
      assert.deepEqual(await ask(answer(6)), { answer: 6, fromCache: false });
      assert.deepEqual(await ask(answer(6)), { answer: 6, fromCache: true });
    });
  });

  test('kernels of a cached program take the same arguments, structures with their sizes', skip, async () => {
    const Pair = struct('Pair', { scale: f32, tag: u8 });
    const source = `typedef struct { float scale; uchar tag; } Pair;
      kernel void put(Pair pair, local int *l, global float *out) { out[0] = pair.scale; out[1] = pair.tag; }`;
    await withCache(pathToFileURL(newFolder()), async ({ mirror }) => {
      const { opencl } = mirror.devices;
      for (const fromCache of [false, true]) {
        const program = await opencl.load(source);
        assert.equal(program.fromCache, fromCache);
        assert.deepEqual(program.kernels, ['put']);
        const Wrong = struct('Pair', { scale: f32 });
        assert.throws(() => program.kernel('put', [Wrong, 'local', 'pointer']), { code: 'ERR_OUT_OF_RANGE' });
        const Turned = struct('Pair', { tag: u8, scale: f32 });
        assert.throws(
          () => program.kernel('put', [Turned, 'local', 'pointer']),
          /'tag' where the program has it/,
        );
        const out = mirror.alloc(64);
        const put = program.kernel('put', [Pair, 'local', 'pointer']);
        await opencl.queue.launch(put, { items: 1, args: [{ scale: 2.5, tag: 3 }, 4, out] }).done;
        assert.deepEqual([...out.view(Float32Array).subarray(0, 2)], [2.5, 3]);
      }
    });
  });

  test('what includes files, and what does not compile, is not kept', skip, async () => {
    const folder = newFolder();
    const header = join(above, 'value.h');
    const source = `#include "value.h"\nkernel void answer(global int *out) { *out = VALUE; }`;
    await withCache(folder, async ({ ask }) => {
      await ask(answer(8));
      const before = files(folder);
      for (const value of [3, 4]) {
        writeFileSync(header, `#define VALUE ${value}\n`);
        assert.deepEqual(await ask(source, `-I${above}`), { answer: value, fromCache: false });
      }
      await assert.rejects(ask('kernel void answer() { nonsense; }'), { reason: 'compile' });
      assert.deepEqual(files(folder), before);
    });
  });

  test('processes that load the same at once each have it, and leave one whole file', skip, async () => {
    const folder = newFolder();
    const run = () => runProgram('opencl-cache.mjs', [folder, answer(9)], { env: { OCL_ICD_VENDORS: POCL } });
    for (const { end, said, stderr } of await Promise.all([run(), run()])) {
      assert.equal(end, 0, stderr);
      assert.equal((said[0] as { answer: number }).answer, 9);
    }
    assert.equal(files(folder).size, 1);
    assert.deepEqual(await run(), { end: 0, said: [{ answer: 9, fromCache: true }], stderr: '' });
  });

  test(
    'a folder that can not be used, or that others can write to, is said once, and all is compiled',
    skip,
    async () => {
      const file = join(above, 'file');
      writeFileSync(file, '');
      const open = newFolder();
      await withCache(open, async ({ ask }) => {
        await ask(answer(7));
      });
      chmodSync(open, 0o777);
      for (const folder of [join(file, 'below'), open]) {
        const said: string[] = [];
        const listen = ({ name, message }: Error) => said.push(`${name}: ${message}`);
        process.on('warning', listen);
        await withCache(folder, async ({ ask }) => {
          for (let i = 0; i < 2; i++) assert.deepEqual(await ask(answer(7)), { answer: 7, fromCache: false });
        });
        process.off('warning', listen);
        assert.equal(said.filter((line) => line.includes(folder)).length, 1, said.join('\n'));
        assert.match(said.join('\n'), /MirrorspaceWarning/);
      }
    },
  );
});

describe('files of the cache', () => {
  const entry = fc.record({
    info: fc.record({
      kernels: fc.array(fc.record({ name: fc.string(), parameters: fc.constant([]) })),
      structs: fc.dictionary(
        fc.stringMatching(/^\w+$/),
        fc.record({ size: fc.nat(), fields: fc.constant({}) }),
      ),
    }),
    binary: fc.uint8Array({ maxLength: 300 }),
  });

  test('hold what was put in, for the key that it was put in for', () => {
    fc.assert(
      fc.property(entry, fc.stringMatching(/^[0-9a-f]+$/), (given, key) => {
        const file = encodeEntry(key, given as CacheEntry);
        const got = decodeEntry(key, file)!;
        assert.deepEqual(JSON.stringify(got.info), JSON.stringify(given.info));
        assert.deepEqual([...got.binary], [...given.binary]);
        assert.equal(decodeEntry(`${key}0`, file), undefined);
      }),
    );
  });

  test('are refused with any byte changed, missing or added', () => {
    const file = encodeEntry('k', {
      info: { kernels: [], structs: {} },
      binary: new Uint8Array([1, 2, 3, 4]),
    });
    for (let i = 0; i < file.length; i++) {
      const changed = Buffer.from(file);
      changed[i]! ^= 1 << (i % 8);
      assert.equal(decodeEntry('k', changed), undefined, `byte ${i}`);
      assert.equal(decodeEntry('k', file.subarray(0, i)), undefined, `${i} bytes`);
    }
    assert.equal(decodeEntry('k', Buffer.concat([file, Buffer.from([0])])), undefined);
  });

  test('are one for each source, options, platform, device and driver', () => {
    const info = {
      platform: { name: 'p', vendor: 'v', version: '1' },
      ...{ name: 'd', vendor: 'v', version: 'OpenCL 3.0', driverVersion: '3.1' },
    } as OpenClDeviceInfo;
    const cache = new BinaryCache(above);
    const others: readonly Partial<OpenClDeviceInfo>[] = [
      ...[{ name: 'e' }, { vendor: 'w' }, { version: 'OpenCL 2.0' }, { driverVersion: '3.2' }],
      ...[{ platform: { ...info.platform, name: 'q' } }, { platform: { ...info.platform, version: '2' } }],
    ];
    const keys = [
      ...[cache.keyOf(info, 's', 'o'), cache.keyOf(info, 't', 'o'), cache.keyOf(info, 's', 'p')],
      ...[
        cache.keyOf(info, 'so', ''),
        ...others.map((other) => cache.keyOf({ ...info, ...other }, 's', 'o')),
      ],
    ];
    assert.equal(new Set(keys).size, keys.length);
    assert.equal(cache.keyOf({ ...info }, 's', 'o'), keys[0]);
    for (const key of keys) assert.match(key!, /^[0-9a-f]{64}$/);
  });

  test('are not there for programs that include files, however that is written', () => {
    const cache = new BinaryCache(above);
    const info = { platform: {} } as OpenClDeviceInfo;
    for (const line of [
      '#include <a>',
      ' # include "a"',
      '%:include "a"',
      '#\\\ninclude "a"',
      '#/* */include "a"',
    ])
      assert.equal(cache.keyOf(info, `int a;\n${line}\n`, ''), undefined, line);
    assert.equal(cache.keyOf(info, 's', '-cl-std=CL2.0 -include a.h'), undefined);
    assert.ok(cache.keyOf(info, '// includes nothing\n#define included 1\n', '-I/tmp'));
  });

  test('lie in the folder that is given, or in that of the XDG specification', () => {
    const before = process.env.XDG_CACHE_HOME;
    try {
      process.env.XDG_CACHE_HOME = '/xdg';
      assert.equal(cacheFolder(true), '/xdg/mirrorspace/opencl');
      for (const xdg of ['relative', '']) {
        process.env.XDG_CACHE_HOME = xdg;
        assert.equal(cacheFolder(true), join(homedir(), '.cache/mirrorspace/opencl'));
      }
    } finally {
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
    }
    assert.equal(cacheFolder(undefined), undefined);
    assert.equal(cacheFolder(false), undefined);
    assert.equal(cacheFolder('/a/../b'), '/b');
    assert.equal(cacheFolder(pathToFileURL('/a b')), '/a b');
    for (const bad of [7, null, {}])
      assert.throws(() => openclDevice({ cache: bad as never }), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const bad of ['', 'a\0b', new URL('https://example.org/')])
      assert.throws(() => openclDevice({ cache: bad }), { code: 'ERR_OUT_OF_RANGE' });
  });
});
