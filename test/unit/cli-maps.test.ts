/** `mirrorspace maps`: what it draws is what the kernel lists, of live processes and of stored files. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MiB, openMirror } from 'mirrorspace';
import { formatProtection } from 'mirrorspace/mm';
import { CLI, cli, cliJson, Running, storedMaps } from '../fixtures/cli.ts';
import { mappings } from '../fixtures/proc.ts';

const ADDRESS = /^ *(0x[0-9a-f]+) /;

describe('of a live process', () => {
  let sleeper: ChildProcess;
  let pid = '';
  before(async () => {
    // It has mapped all it ever will once it sleeps.
    sleeper = spawn('sleep', ['1000'], { stdio: 'ignore' });
    pid = String(sleeper.pid);
    while (!readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') S ')) await new Promise(setImmediate);
  });
  after(() => sleeper.kill());

  test('the JSON has every mapping as /proc has it, and every hole', () => {
    const { status, json } = cliJson('maps', pid, '-w', 'low=0x10000:4G');
    assert.equal(status, 0);
    const expected = mappings(sleeper.pid!).filter(({ end }) => end <= json.within.end);
    assert.ok(expected.length > 5);
    assert.deepEqual(
      json.mappings.map((m: Record<string, unknown>) => [m.start, m.end, m.protection, m.name, m.kind]),
      expected.map((vma) => [vma.start, vma.end, formatProtection(vma), vma.name, vma.kind]),
    );
    // Mappings and holes together are all of it, without overlap.
    const parts = [...json.mappings, ...json.holes].sort((a, b) => a.start - b.start);
    let at = json.within.start;
    for (const { start, end, size } of parts) {
      assert.equal(start, at);
      assert.equal(size, end - start);
      at = end;
    }
    assert.equal(at, json.within.end);
    const { name, start, end } = json.windows[0];
    assert.deepEqual([name, start, end], ['low', 0x10000, 2 ** 32]);
    for (const part of parts)
      assert.deepEqual(
        part.windows,
        part.start < end && part.end > start ? ['low'] : [],
        JSON.stringify(part),
      );
  });

  test('the drawing has a line for every mapping and hole, at most 80 columns wide', () => {
    const { status, stdout } = cli('maps', pid, '--all');
    assert.equal(status, 0);
    const lines = stdout.split('\n').filter((line) => ADDRESS.test(line));
    const { json } = cliJson('maps', pid);
    const starts = [...json.mappings, ...json.holes].map(({ start }) => start).sort((a, b) => a - b);
    assert.deepEqual(
      lines.map((line) => Number(ADDRESS.exec(line)![1])),
      starts,
    );
    assert.ok(lines.every((line) => line.length <= 80));
    assert.match(stdout, /\[stack\]/);
    assert.match(stdout, new RegExp(`^sleep \\(pid ${pid}\\): ${json.mappings.length} mappings`));
    assert.ok(!stdout.includes('\x1b'), 'no colours where there is no terminal');
  });

  test('neighbours of one name are one line, with their number', () => {
    const joined = cli('maps', pid).stdout.split('\n').length;
    const each = cli('maps', pid, '--all').stdout.split('\n').length;
    assert.ok(joined < each);
    assert.match(cli('maps', pid).stdout, /sleep \(\d+\)/);
  });

  test('with --watch it ends when the process ends', async () => {
    const victim = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const [text, json] = ['', '--json'].map(
      (flag) =>
        new Running(
          process.execPath,
          CLI,
          ...['maps', String(victim.pid), '--watch', '--interval', '0.05', flag].filter(Boolean),
        ),
    );
    await text!.until((said) => said.includes('[stack]'));
    await json!.until((said) => said.includes('[stack]'));
    victim.kill();
    assert.equal(await text!.ended, 0, text!.stderr);
    assert.match(text!.stdout, /\(pid \d+\) has ended\n$/);
    assert.equal(await json!.ended, 0, json!.stderr);
    assert.deepEqual(JSON.parse(json!.stdout.trimEnd().split('\n').at(-1)!), {
      pid: victim.pid,
      ended: true,
    });
  });
});

test('with --watch it says which buffer a mirror has mapped, and that it has gone', async () => {
  const mirror = await openMirror({ devices: {}, name: 'watched' });
  const running = new Running(
    process.execPath,
    CLI,
    'maps',
    String(process.pid),
    '--watch',
    '--interval',
    '0.05',
  );
  try {
    await running.until((said) => said.includes('[stack]'));
    const buffer = mirror.alloc(8 * MiB, { place: { at: 0x2000_0000_0000 } });
    await running.until((said) => /^\+ 0x200000000000-0x200000800000 rw-s 8 MiB .*watched/m.test(said));
    buffer.free();
    await running.until((said) => /^- 0x200000000000-0x200000800000 /m.test(said));
  } finally {
    running.child.kill();
    await running.ended;
    await mirror.close();
  }
});

/** script(1) makes a terminal. */
const terminal = spawnSync('script', ['--version']).error
  ? 'there is no script(1) to make a terminal'
  : false;

test('on a terminal --watch redraws within its lines, and says first what came', {
  skip: terminal,
}, async () => {
  const mirror = await openMirror({ devices: {}, name: 'redrawn' });
  const command = `stty rows 20 cols 90; ${process.execPath} ${CLI} maps ${process.pid} --watch --interval 0.05`;
  const running = new Running('script', '-qec', command, '/dev/null');
  try {
    const screens = (said: string) => said.split('\x1b[H').slice(1);
    await running.until((said) => screens(said).length > 2);
    const buffer = mirror.alloc(8 * MiB, { place: { at: 0x2000_0000_0000 } });
    await running.until((said) => /\+ 0x200000000000-0x200000800000 rw-s 8 MiB .*redrawn/.test(said));
    buffer.free();
    await running.until((said) => /- 0x200000000000-0x200000800000 /.test(said));
    for (const screen of screens(running.stdout).slice(0, -1)) {
      const lines = screen.split('\n');
      assert.ok(lines.length <= 20, `${lines.length} lines of 20`);
      assert.match(lines.at(-2)!, /more lines/);
    }
  } finally {
    running.child.kill();
    await running.ended;
    await mirror.close();
  }
});

test('a window is drawn from its low end to its high end, which cut what lies across', () => {
  const { status, stdout } = cli(
    ...['maps', '--maps', storedMaps('node'), '-w', 'wasm=0x10000:4G', '-w', 'odd=0x500000:0x600000'],
  );
  assert.equal(status, 0);
  const rows = stdout.split('\n').filter((line) => ADDRESS.test(line));
  const gutter = (line: string) => line.slice(15, 17);
  const inWasm = rows.filter((line) => '┬│┴['.includes(gutter(line)[0]!));
  assert.match(inWasm[0]!, /^ +0x10000 ┬/);
  assert.equal(gutter(inWasm.at(-1)!)[0], '┴');
  assert.match(rows[rows.indexOf(inWasm.at(-1)!) + 1]!, /^ +0x100000000 /);
  const inOdd = rows.filter((line) => gutter(line)[1] !== ' ');
  assert.equal(Number(ADDRESS.exec(inOdd[0]!)![1]), 0x500000);
  const beyond = rows[rows.indexOf(inOdd.at(-1)!) + 1]!;
  assert.equal(Number(ADDRESS.exec(beyond)![1]), 0x600000);
  assert.match(stdout, /^wasm 0x10000-0x100000000: .* free, largest hole /m);
});

test('names that would steer the terminal are shown without that', () => {
  const file = join(tmpdir(), `hostile-${process.pid}.maps`);
  writeFileSync(file, '00400000-00401000 r--p 00000000 08:01 12   /tmp/\x1b[2Jgone\x07\n');
  try {
    const { stdout } = cli('maps', '--maps', file);
    assert.match(stdout, /\/tmp\/\?\[2Jgone\?/);
    assert.ok(!stdout.includes('\x1b') && !stdout.includes('\x07'));
    assert.equal(cliJson('maps', '--maps', file).json.mappings[0].name, '/tmp/\x1b[2Jgone\x07');
  } finally {
    rmSync(file);
  }
});

test('what is no process, no file or no maps is refused with the reason', () => {
  const refused: [string[], number, RegExp][] = [
    [['4194304'], 1, /there is no process 4194304/],
    [['--maps', '/nowhere.maps'], 1, /\/nowhere\.maps can't be read: ENOENT/],
    [['--maps', process.execPath], 1, /is not a line of \/proc\/PID\/maps/],
    [['12x'], 2, /Expected the id of a process/],
    [['1', '--maps', 'x'], 2, /a process or --maps, not both/],
    [['--maps', 'x', '--watch'], 2, /a file does not change/],
    [['--within', '4G:1G'], 2, /The range is empty/],
    [['--window', 'a=0:1M', '--window', 'a=0:2M'], 2, /a window called 'a' already/],
    [['--interval', '0'], 2, /Expected seconds/],
  ];
  for (const [args, status, words] of refused) {
    const said = cli('maps', ...args);
    assert.equal(said.status, status, `${args}: ${said.stderr}`);
    assert.match(said.stderr, words);
    assert.equal(said.stdout, '', args.join(' '));
    assert.doesNotMatch(said.stderr, /^ +at /m, 'no stack');
  }
});
