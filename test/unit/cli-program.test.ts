/** The command line as a whole: its help tells the truth, its exit codes and its output are those of a good neighbour. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { CLI, cli, storedMaps } from '../fixtures/cli.ts';

const COMMANDS = [...cli('--help').stdout.matchAll(/^ {2}(\w+) .*\[options\]/gm)].map(([, name]) => name!);
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

test('the help lists the commands, and each has a help of its own with examples', () => {
  for (const name of ['doctor', 'maps', 'plan', 'trace', 'bench']) assert.ok(COMMANDS.includes(name), name);
  for (const name of COMMANDS) {
    const { status, stdout, stderr } = cli(name, '--help');
    assert.equal(status, 0, stderr);
    assert.match(stdout, new RegExp(`^Usage: mirrorspace ${name} `));
    assert.match(stdout, /\nExamples:\n {2}\$ mirrorspace /);
    assert.match(stdout, /--json/);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
  }
  assert.equal(cli('--version').stdout, `${version}\n`);
});

describe('every example of the help is a command that works', () => {
  for (const name of ['maps', 'plan'])
    for (const [, line] of cli(name, '--help').stdout.matchAll(/^ {2}\$ mirrorspace (.*?)(?: {3,}.*)?$/gm)) {
      if (line!.includes('--watch')) continue;
      test(line!, () => {
        const args = line!
          .split(' ')
          .map((word) =>
            word.replace(/^4242$/, String(process.pid)).replace('saved.maps', storedMaps('node')),
          );
        const { status, stdout, stderr } = cli(...args);
        assert.equal(stderr, '');
        assert.ok(status === 0 || (status === 1 && stdout.length > 0), `${status}`);
      });
    }
});

test('no command, or one that there is not, is exit code 2', () => {
  for (const args of [[], ['mops'], ['--mops']]) {
    const { status, stdout, stderr } = cli(...args);
    assert.equal(status, 2, args.join());
    assert.equal(stdout, '');
    assert.notEqual(stderr, '');
  }
  assert.match(cli('mops').stderr, /unknown command 'mops'.*\n\(Did you mean maps\?\)/s);
});

test('a reader that has seen enough is no error', async () => {
  const child = spawn(
    'sh',
    ['-c', `${process.execPath} ${CLI} maps --all --maps ${storedMaps('chromium')} | head -n 1`],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  child.stdout.resume();
  await once(child, 'close');
  assert.equal(stderr, '');
  // The pipe's reader is gone before the first byte is written, on every machine.
  const gone = spawnSync(
    'bash',
    ['--norc', '-c', `set -o pipefail; (sleep 1; ${process.execPath} ${CLI} maps) | true`],
    {
      encoding: 'utf8',
    },
  );
  assert.deepEqual([gone.status, gone.stderr], [0, '']);
});

test('output that can not be written is said in a line, and output that nobody takes is not', () => {
  const inShell = (command: string) =>
    spawnSync('sh', ['-c', `${process.execPath} ${CLI} ${command}`], { encoding: 'utf8' });
  for (const command of ['maps', 'plan --size 64K --json', '--help']) {
    const full = inShell(`${command} > /dev/full`);
    assert.equal(full.status, 1, command);
    assert.match(full.stderr, /^error: standard output can't be written: .*ENOSPC.*\n$/);
    const closed = inShell(`${command} >&-`);
    assert.deepEqual([closed.status, closed.stderr], [0, ''], command);
  }
  assert.equal(inShell('mops 2>&-').status, 2);
});

test('whatever is wrong is said without a stack', () => {
  for (const [status, ...args] of [
    [1, 'maps', '4194304'],
    [2, 'maps', 'init'],
    [1, 'maps', '--maps', '/nowhere'],
    [1, 'maps', '--maps', '/tmp'],
    [1, 'maps', '--maps', '/dev/zero'],
    [1, 'plan', '--size', '1M', '--maps', '/dev/null/x'],
    [2, 'plan', '--size', 'much'],
    [2, 'plan', '--size', '1M', '--align', '3'],
    [2, 'plan', '--size', '1M', '--window', '5:3'],
    [1, 'trace', '/nowhere/program'],
    [2, 'trace', '-o', '/nowhere/x.json', 'true'],
    [1, 'serve', '/nowhere/program'],
    [2, 'serve', '--port', '65536', 'true'],
  ] as const) {
    const answer = cli(...args);
    assert.equal(answer.status, status, `${args.join(' ')}: ${answer.stderr}`);
    assert.match(answer.stderr, /^error: /);
    assert.doesNotMatch(answer.stderr, /\n {4}at /);
  }
});

describe('colours', () => {
  test('are not there elsewhere, on a machine of continuous integration neither', () => {
    for (const command of ['maps', '--help']) {
      const env = { ...process.env, CI: 'true' };
      const { stdout } = spawnSync(process.execPath, [CLI, command], { encoding: 'utf8', env });
      assert.ok(stdout.length > 100 && !stdout.includes('\x1b['), command);
    }
  });

  const inTerminal = (env: Record<string, string>) =>
    spawnSync(
      'script',
      ['-qec', `${process.execPath} ${CLI} maps --maps ${storedMaps('cat')}`, '/dev/null'],
      {
        encoding: 'utf8',
        env: { PATH: process.env.PATH!, TERM: 'xterm', ...env },
      },
    );
  const skip = inTerminal({}).error ? 'there is no script(1) to make a terminal' : false;

  test('are there on a terminal, unless NO_COLOR is set or it knows none', { skip }, () => {
    assert.ok(inTerminal({}).stdout.includes('\x1b['));
    assert.ok(!inTerminal({ NO_COLOR: '1' }).stdout.includes('\x1b['));
    assert.ok(!inTerminal({ TERM: 'dumb' }).stdout.includes('\x1b['));
  });
});
