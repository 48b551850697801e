/** `mirrorspace trace`: a program is run as it is, and what its mirrors did is in one file. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ChromeTrace } from 'mirrorspace/observe';
import { cli } from '../fixtures/cli.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
mkdirSync(join(root, 'test/.tmp'), { recursive: true });
const folder = mkdtempSync(join(root, 'test/.tmp/cli-trace-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const program = join(root, 'test/fixtures/programs/traced.mjs');

describe('mirrorspace trace', () => {
  it('runs a program and the one that it starts, and has both in one trace', () => {
    const file = join(folder, 'both.json');
    const { status, stdout, stderr } = cli(
      'trace',
      '--json',
      '--sites',
      '-o',
      file,
      process.execPath,
      program,
      'fork',
    );
    assert.equal(status, 0, stderr);
    // Its child has the same standard output.
    assert.equal(stdout, 'done\ndone\n');
    const summary = JSON.parse(stderr.trim().split('\n').at(-1)!);
    const { traceEvents } = JSON.parse(readFileSync(file, 'utf8')) as ChromeTrace;
    const of = (cat: string, ph: string) =>
      traceEvents.filter((event) => 'cat' in event && event.cat === cat && event.ph === ph);
    assert.deepEqual(
      [summary.file, summary.threads, summary.exit, summary.missing, summary.commands, summary.faults],
      [file, 2, 0, 0, of('launch', 'X').length + of('fill', 'X').length, of('fault', 'i').length],
    );
    assert.equal(summary.commands, 6);
    assert.equal(new Set(of('launch', 'X').map(({ pid }) => pid)).size, 2);
    for (const { args } of of('launch', 'X')) assert.match(String(args!.site), /traced\.mjs:/);
  });

  it('gives the exit code of the program, and passes its options on', () => {
    const { status, stdout } = cli(
      'trace',
      '-o',
      join(folder, 'none.json'),
      process.execPath,
      '-e',
      'console.log(process.argv[1]); process.exit(7)',
      '--',
      '--json',
    );
    assert.deepEqual([status, stdout], [7, '--json\n']);
  });

  it('says where there was nothing to record, and leaves no file', () => {
    const file = join(folder, 'nothing.json');
    const { status, stderr } = cli('trace', '-o', file, process.execPath, '-e', '0');
    assert.equal(status, 1);
    assert.match(stderr, /^error: no mirror was opened by /);
    assert.ok(!existsSync(file));
  });

  it('that can not run the program, or write the trace, changes nothing', () => {
    const file = join(folder, 'kept.json');
    writeFileSync(file, 'kept');
    const missing = cli('trace', '-o', file, join(folder, 'no-such-program'));
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /can't be run: .*ENOENT/);
    assert.equal(readFileSync(file, 'utf8'), 'kept');
    const unwritable = cli(
      'trace',
      '-o',
      join(folder, 'no/such/folder.json'),
      process.execPath,
      '-e',
      'console.log(1)',
    );
    assert.deepEqual([unwritable.status, unwritable.stdout], [2, '']);
    assert.equal(cli('trace').status, 2);
  });
});
