/**
 * examples/four-processors.ts: what it says and exits with, with and without an OpenCL driver, and where one of the four
 * is wrong; its distances are those of Floyd and Warshall's algorithm.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openMirror } from 'mirrorspace';
import { sizeof } from 'mirrorspace/layout';
import { buildNetwork, distance, readFlights } from '../../examples/four-processors/airports.ts';
import { Airport, Answer, FAR, Way } from '../../examples/four-processors/network.js';
import { shortest } from '../../examples/four-processors/shortest.js';
import { POCL, poclMissing } from '../fixtures/opencl.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
/** Inside of the package, so that a copy finds what the example imports. */
const COPIES = fileURLToPath(new URL('../.tmp', import.meta.url));

function run(folder: string, vendors: string) {
  const args = ['--import', 'tsx', join(folder, 'four-processors.ts')];
  const env = { ...process.env, NO_COLOR: '1', OCL_ICD_VENDORS: vendors };
  return spawnSync(process.execPath, args, { encoding: 'utf8', env });
}

/** Columns are three blanks apart, or more. */
const rowsOf = (stdout: string): string[][] =>
  stdout
    .split('\n')
    .filter((line) => / [\d,]+(\.\d+)? x( |$)/.test(line))
    .map((line) => line.trim().split(/ {2,}/));

const longestOf = (stdout: string): string[] =>
  [...stdout.matchAll(/^the longest: (.*)$/gm)].map(([, way]) => way!);

test('one set of pointers is followed by JavaScript, wasm, a process and OpenCL, with equal answers', {
  skip: poclMissing() ?? false,
}, () => {
  const { status, stdout, stderr } = run(EXAMPLES, POCL);
  assert.equal(status, 0, stdout + stderr);
  const names = ['JavaScript', 'wasm device', 'process device', 'OpenCL device'];
  const rows = rowsOf(stdout);
  assert.deepEqual(
    rows.map(([name]) => name),
    [...names, ...names],
    stdout,
  );
  for (const [name, , , , verdict] of rows)
    assert.equal(verdict, name === 'JavaScript' ? undefined : 'the same', stdout);
  const [open, shut] = longestOf(stdout);
  assert.match(open!, /^ADK - ANC - /);
  assert.doesNotMatch(shut!, /ANC/);
});

test('without an OpenCL driver the example goes on with three, and says why', () => {
  const { status, stdout, stderr } = run(EXAMPLES, '/nowhere/');
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /^without OpenCL: .*apt-get install/);
  assert.equal(rowsOf(stdout).length, 6, stdout);
});

test('the example ends with code 1 where one of them answers otherwise', () => {
  mkdirSync(COPIES, { recursive: true });
  const folder = mkdtempSync(join(COPIES, 'four-processors-'));
  try {
    for (const part of ['four-processors', 'four-processors.ts', 'nearest'])
      cpSync(join(EXAMPLES, part), join(folder, part), { recursive: true });
    const kernel = join(folder, 'four-processors/process-kernel.js');
    const wrong = 'follow(memory, begin, end - 1, answers';
    const source = readFileSync(kernel, 'utf8').replace('follow(memory, begin, end, answers', wrong);
    assert.ok(source.includes(wrong));
    writeFileSync(kernel, source);
    const { status, stdout, stderr } = run(folder, '/nowhere/');
    assert.equal(status, 1, stdout + stderr);
    const verdicts = rowsOf(stdout).map(([name, , , , verdict]) => [name, verdict]);
    assert.deepEqual(verdicts.slice(1, 3), [
      ['wasm device', 'the same'],
      ['process device', 'DIFFERENT'],
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('its distances, farthest airports and flights are those of Floyd and Warshall', async () => {
  await using mirror = await openMirror({ devices: {} });
  const flights = await readFlights();
  const addresses = buildNetwork(mirror.heap(), flights);
  const airports = addresses.length;
  const answers = mirror.alloc(airports * sizeof(Answer));
  const ways = mirror.alloc(airports ** 2 * sizeof(Way));
  const answer = Answer.in(answers).at(answers.address);
  for (const [i, address] of addresses.entries()) {
    answer.move(answers.address + i * sizeof(Answer));
    answer.origin = address;
  }
  shortest(mirror, 0, airports, answers.address, ways.address, airports);

  const expected = new Float64Array(airports ** 2).fill(FAR);
  for (let i = 0; i < airports; i++) expected[i * airports + i] = 0;
  for (const [from, to] of flights.routes) {
    const metres = from === to ? 0 : distance(flights.places[from]!, flights.places[to]!);
    expected[from * airports + to] = Math.min(expected[from * airports + to]!, metres);
  }
  for (let k = 0; k < airports; k++)
    for (let i = 0; i < airports; i++)
      for (let j = 0; j < airports; j++) {
        const metres = expected[i * airports + k]! + expected[k * airports + j]!;
        if (metres < expected[i * airports + j]!) expected[i * airports + j] = metres;
      }

  const way = Way.in(ways).at(ways.address);
  for (let i = 0; i < airports; i++) {
    const row = expected.subarray(i * airports, (i + 1) * airports);
    for (const [j, metres] of row.entries()) {
      way.move(ways.address + (i * airports + j) * sizeof(Way));
      assert.equal(way.metres, metres, `${i} to ${j}`);
    }
    const reached = row.filter((metres) => metres < FAR);
    answer.move(answers.address + i * sizeof(Answer));
    assert.equal(answer.reached, reached.length);
    assert.equal(answer.metres, Math.max(...reached));
    assert.equal(row[Airport.in(mirror).at(answer.farthest).index], answer.metres);
  }
});
