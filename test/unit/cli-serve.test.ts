/** `mirrorspace serve`: a program is run as it is, with a live page over its mirrors. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CLI, cli, Running } from '../fixtures/cli.ts';
import { eventually } from '../fixtures/proc.ts';

const program = fileURLToPath(new URL('../fixtures/programs/served.mjs', import.meta.url));

describe('mirrorspace serve', () => {
  it("shows the program's mirrors at the address that it prints, for as long as it runs", async () => {
    const running = new Running(process.execPath, CLI, 'serve', '--json', process.execPath, program, '7');
    await eventually('the address', () => running.stderr.includes('\n'));
    after(() => running.child.kill('SIGKILL'));
    const { url, pid } = JSON.parse(running.stderr.split('\n')[0]!) as { url: string; pid: number };
    assert.notEqual(pid, process.pid);
    const { mirrors } = (await (await fetch(`${url}snapshot`)).json()) as {
      mirrors: { pid: number; buffers: { name: string }[] }[];
    };
    assert.deepEqual(
      mirrors.map((mirror) => [mirror.pid, mirror.buffers.map(({ name }) => name)]),
      [[pid, ['served']]],
    );
    const page = await fetch(url);
    assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
    const [, script] = /src="\.\/(assets\/[^"]+\.js)"/.exec(await page.text())!;
    assert.equal((await fetch(url + script!)).status, 200);
    process.kill(pid, 'SIGUSR2');
    assert.equal(await running.ended, 7);
    assert.equal(running.stdout, 'opened\nended\n');
    await assert.rejects(fetch(url));
  });

  it('starts nothing in a program that opens no mirror', () => {
    const { status, stdout, stderr } = cli('serve', process.execPath, '-e', 'console.log(1)');
    assert.deepEqual([status, stdout, stderr], [0, '1\n', '']);
  });

  it('refuses a port that is none', () => {
    for (const port of ['x', '-1', '65536', '']) {
      const { status, stderr } = cli('serve', `--port=${port}`, process.execPath, '-e', '1');
      assert.equal(status, 2, stderr);
      assert.match(stderr, /--port/);
    }
  });
});
