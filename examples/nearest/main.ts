/**
 * The nearest airport to every pixel of the world. JavaScript builds a kd-tree of points in mirrored memory,
 * linked by ordinary pointers; a device with cores of its own follows those very pointers, a query per pixel;
 * JavaScript reads the answers where the device wrote them. Nothing is copied or translated on the way.
 *
 *     npm start                                   npm start -- --help
 *     npm start -- cities.csv --out cities.png    npm start -- --region=-126,22,-66,52
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Mirror, MirrorError, openMirror, type WasmDevice, wasmDevice } from 'mirrorspace';
import { sizeof } from 'mirrorspace/layout';
import { serve } from 'mirrorspace/serve';
import colours from 'picocolors';
import { check, randomPixels, sampleRows } from './check.ts';
import { gridLength, writeGrid } from './globe.ts';
import { buildTree, toObjects } from './kd-tree.ts';
import { drawLand } from './land.ts';
import { Seen } from './layout.ts';
import { cloneCost, handOver, searchRate } from './measure.ts';
import { type Options, parseOptions, USAGE, UsageError } from './options.ts';
import { drawPicture } from './picture.ts';
import { InputError, type Points, readPoints } from './points.ts';
import {
  compareRoots,
  describeInput,
  describeMeasurements,
  describePlaces,
  describeWindow,
  describeWrong,
  showProgress,
} from './report.ts';
import { BruteForce, randomNumbers, TreeSearch } from './search.ts';
import { heading } from './table.ts';

/** Pixels of the map, unless --size says otherwise. */
const MAP_SIZE = '1600x1000';
/** Answers of the device that are checked by brute force. */
const CHECKED_PIXELS = 2_000;

/** Queries that are timed in JavaScript, and rounds of which a median is taken. */
const TIMED_PIXELS = 100_000;
const HAND_OVERS = 500;
const CLONES = 21;

const KERNELS = new URL('./nearest.wasm', import.meta.url);

// Whoever reads the output may have seen enough (`npm start | head`): the job and its checks go on to their end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(args, MAP_SIZE);
    if (options.help) {
      console.log(USAGE);
      return 0;
    }
    return await run(options);
  } catch (error) {
    const known = [UsageError, InputError, MirrorError].some((kind) => error instanceof kind);
    console.error(known ? `${colours.red('error:')} ${(error as Error).message}` : error);
    if (error instanceof UsageError) console.error('Try: npm start -- --help');
    return error instanceof UsageError ? 2 : 1;
  }
}

async function run(options: Options): Promise<number> {
  if (!existsSync(KERNELS)) throw new InputError('the kernels are not compiled yet: npm run kernels');
  const folder = dirname(resolve(options.out));
  if (!existsSync(folder)) throw new InputError(`cannot write ${options.out}: there is no folder ${folder}`);
  const file = options.file ?? relative('', fileURLToPath(dataset('airports.csv')));
  const input = await readPoints(file);
  console.log(describeInput(file, input));

  const server = options.serve ? await serve() : undefined;
  if (server) console.log(`${colours.green('live page:')} ${server.url}`);
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: options.cores }) } });
  try {
    const status = await nearest(mirror, input, options);
    if (server) await interrupted();
    return status;
  } finally {
    await mirror.close();
    await server?.close();
  }
}

/** Resolves at Ctrl-C. */
async function interrupted(): Promise<void> {
  console.log('The live page stays until Ctrl-C.');
  const alive = setInterval(() => {}, 2 ** 30);
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
  clearInterval(alive);
}

async function nearest(
  mirror: Mirror<{ wasm: WasmDevice }>,
  { points }: Points,
  { map, out, seed }: Options,
): Promise<number> {
  const { wasm } = mirror.devices;
  const pixels = map.width * map.height;
  console.log(describeWindow(mirror, wasm));

  // The nodes are objects in an arena of a heap, which takes memory from the mirror as it grows. All memory is at one
  // address for both sides; the device may only read the tree and the grid.
  const before = mirror.occupants(wasm.window);
  const arena = mirror.heap({ name: 'tree', access: { wasm: 'read' } }).arena();
  const tree = buildTree(arena, points);
  const chunks = mirror.buffers(); // so far, the heap's
  const grid = mirror.alloc(gridLength(map) * 8, { name: 'grid', access: { wasm: 'read' } });
  const results = mirror.alloc(pixels * 12, { name: 'results' });
  const page = mirror.alloc(sizeof(Seen), { name: 'seen' });
  console.log(describePlaces(mirror, wasm, [...chunks, grid, results, page], before));

  const gridView = grid.view(Float64Array);
  writeGrid(map, gridView);
  const seen = Seen.in(page).at(page.address);

  const program = await wasm.load(KERNELS);
  const probe = program.kernel('probe', ['pointer', 'pointer']);
  const search = program.kernel('nearest', ['pointer', 'pointer', 'pointer', 'u32', 'u32']);

  await wasm.queue.launch(probe, { items: 1, args: [tree.address, seen.address] }).done;
  const roots = compareRoots(arena, tree, seen);
  console.log(`${heading('One tree, two sides')}\n${roots.text}`);

  const command = wasm.queue.launch(search, {
    items: pixels,
    args: [tree.address, grid, results, map.width, map.height],
  });
  await showProgress(command, pixels);
  const answers = {
    distances: results.view(Float64Array, 0, pixels),
    indexes: results.view(Uint32Array, pixels * 8, pixels),
  };

  const random = randomNumbers(seed);
  const judge = new BruteForce(points);
  const wrong = check(answers, judge, map, gridView, randomPixels(map, CHECKED_PIXELS, random));
  const follow = new TreeSearch(arena, tree);
  const javascript = searchRate(follow, map, gridView, answers, sampleRows(map, TIMED_PIXELS));
  const sound = roots.same && wrong.length === 0 && javascript.different === 0;

  const land = await drawLand(dataset('world-110m.json'), map);
  const picture = drawPicture({ map, ...answers, points, land }).toPng();
  await writeFile(out, picture).catch((error: Error) => {
    throw new InputError(`cannot write ${out}: ${error.message}`, { cause: error });
  });

  console.log(
    describeMeasurements({
      nodes: tree.count,
      treeBytes: arena.bytes,
      queries: pixels,
      cores: wasm.cores,
      times: command.times,
      javascript,
      handOver: handOver(wasm.queue, probe, tree, seen, HAND_OVERS),
      clone: cloneCost(toObjects(arena, tree), CLONES),
      counters: wasm.counters(),
    }),
  );
  console.log(describeWrong(wrong, CHECKED_PIXELS, javascript, seed));
  console.log(`${colours.green('picture:')} ${out} (${map.width} x ${map.height})`);
  return sound ? 0 : 1;
}

/** A file of the vega-datasets package. */
function dataset(name: string): URL {
  return new URL(`../data/${name}`, import.meta.resolve('vega-datasets'));
}
