/**
 * The demo as a program: what it exits with, what it writes, and what it says of bad input and of wrong answers. For
 * those a copy of it gets kernels that were built wrong on purpose.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { PNG } from 'pngjs';
import { compileKernels, SOURCE } from '../../examples/nearest/build.ts';

const DEMO = fileURLToPath(new URL('../../examples/nearest', import.meta.url));
/** Inside of the package, so that a copy finds what the demo imports. */
const COPIES = fileURLToPath(new URL('../.tmp', import.meta.url));

const SMALL = ['--size', '64x40', '--cores', '2', '--seed', '7'];

let folder: string;
let out: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'nearest-main-'));
  out = join(folder, 'picture.png');
});
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the demo to its end; with `leave`, its reader goes after the first output. */
async function run(args: readonly string[], { demo = DEMO, leave = false } = {}): Promise<Ended> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(demo, 'main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
    if (leave) child.stdout.destroy();
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  await once(child, 'close');
  return { code: child.signalCode ?? child.exitCode, stdout, stderr };
}

test('the demo draws the picture, finds its own answers right, and exits with 0', async () => {
  const { code, stdout, stderr } = await run([...SMALL, '--out', out]);
  assert.equal(stderr, '');
  assert.equal(code, 0, stdout);
  assert.match(stdout, /tree chunk 1 +1 MiB +0x[0-9a-f]+0000 /);
  assert.match(stdout, /nodes in the tree +3,376 +316\.5 KiB of an arena/);
  assert.match(stdout, /correct: 2,000 random answers equal a brute-force search bit for bit/);
  assert.match(stdout, /2,560 compared with JavaScript's search of the same tree: all equal \(seed 7\)/);
  assert.doesNotMatch(stdout, /DIFFERENT|WRONG/);
  const { width, height, data } = PNG.sync.read(readFileSync(out));
  assert.ok(width >= 64 && height >= 40, `${width} x ${height}`);
  const colours = new Set(new Uint32Array(data.buffer, data.byteOffset, data.length / 4));
  assert.ok(colours.size > 10, `${colours.size} colours`);
});

test('the demo goes on to its end where nobody reads what it says any more', async () => {
  const quiet = join(folder, 'quiet.png');
  const { code, stderr } = await run([...SMALL, '--out', quiet], { leave: true });
  assert.equal(stderr, '');
  assert.equal(code, 0);
  assert.ok(existsSync(quiet));
});

test('the demo leaves malformed rows out, counts them and names them', async () => {
  const csv = join(folder, 'points.csv');
  writeFileSync(csv, 'name,lat,lon\nA,10,20\nB,x,20\nC,-50,100\nD,91,0\n');
  const { code, stdout } = await run([csv, ...SMALL, '--out', out]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^2 points from .*points\.csv \(columns lat, lon, name\)/);
  assert.match(stdout, /2 malformed rows were left out:\n {2}line 3: latitude "x" is not a number\n/);
  assert.match(stdout, / {2}line 5: latitude "91" is outside -90 to 90\n/);
});

for (const { what, args, code, says } of [
  { what: 'an unknown option', args: ['--sizes', '64x40'], code: 2, says: /Unknown option '--sizes'/ },
  { what: 'a size that is none', args: ['--size', '64'], code: 2, says: /--size must be .* not '64'/ },
  { what: 'too many cores', args: ['--cores', '17'], code: 2, says: /--cores must be .* 1 to 16, not '17'/ },
  { what: 'a file that is not there', args: ['/no/such.csv'], code: 1, says: /there is no such file/ },
  { what: 'a picture in no folder', args: ['--out', '/no/such/x.png'], code: 1, says: /there is no folder/ },
]) {
  test(`the demo exits with ${code} for ${what}, and says why`, async () => {
    const ended = await run(args);
    assert.equal(ended.code, code);
    assert.match(ended.stderr, says);
    assert.equal(ended.stderr.includes('npm start -- --help'), code === 2);
    assert.doesNotMatch(ended.stderr, /\n {4}at /, 'no stack');
  });
}

describe('the demo with kernels that were built wrong', () => {
  let copy: string;
  before(() => {
    mkdirSync(COPIES, { recursive: true });
    copy = mkdtempSync(join(COPIES, 'nearest-'));
    cpSync(DEMO, copy, { recursive: true });
  });
  after(() => rmSync(copy, { recursive: true }));

  const source = readFileSync(SOURCE, 'utf8');
  for (const { what, right, wrong, says } of [
    {
      what: 'pass over the farther box',
      right: '    if (right < best) visit(node.right!);\n  } else {',
      wrong: '  } else {',
      says: /WRONG: [\d,]+ of 2,000 random answers\n {2}pixel \d+: the device found point/,
    },
    {
      what: 'are off by the last bit at one pixel',
      right: '((<usize>pixel) << 3), best);',
      wrong: '((<usize>pixel) << 3), pixel == 1234 ? best * 1.0000000000000002 : best);',
      says: /search of the same tree: 1 DIFFERENT/,
    },
    {
      what: 'see another root',
      right: 'seen.x = root.x;',
      wrong: 'seen.x = root.y;',
      says: /x stored at the root .*DIFFERENT/,
    },
  ]) {
    test(`exits with 1 where they ${what}, and says so`, async () => {
      assert.equal(source.split(right).length, 2, 'the source has the place');
      writeFileSync(join(copy, 'nearest.wasm'), await compileKernels(source.replace(right, wrong)));
      const { code, stdout } = await run([...SMALL, '--out', out], { demo: copy });
      assert.match(stdout, says);
      assert.equal(code, 1);
    });
  }
});
