/** docs/cli.md and the README show what the command line prints. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CLI, cli, cliJson, storedMaps } from '../fixtures/cli.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/cli.md'), 'utf8');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

// In the checkout, so that a program finds the package by its name.
mkdirSync(join(root, 'test/.tmp'), { recursive: true });
const folder = mkdtempSync(join(root, 'test/.tmp/cli-'));
copyFileSync(storedMaps('node'), join(folder, 'saved.maps'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What it prints in a folder with saved.maps. */
function runIn(...args: readonly string[]): { status: number | null; stdout: string } {
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', timeout: 120_000 });
}

describe('docs/cli.md', () => {
  const commands = [...page.matchAll(/^```sh\nmirrorspace ([^\n]*)\n```\n\n```text\n(.*?)^```$/gms)];

  test('has examples of maps and of plan', () => {
    assert.ok(commands.length >= 5, `${commands.length}`);
  });

  for (const [, command, output] of commands)
    test(`${command} prints what the page says`, () => {
      const { stdout, status } = runIn(CLI, ...command!.split(' '));
      assert.equal(stdout, output);
      assert.equal(
        status,
        /^saved\.maps:\nNo place|^saved\.maps:\nLinux's search finds no/.test(output!) ? 1 : 0,
      );
    });

  test('its program prints what the page says', () => {
    const [, program, output] = /^```ts\n(.*?)^```$\n\n```text\n(.*?)^```$/ms.exec(page)!;
    writeFileSync(join(folder, 'plan.mts'), program!);
    assert.equal(runIn('--import', 'tsx', 'plan.mts').stdout, output);
  });

  test('shows the findings that the doctor has, and names every command', () => {
    const [shown] = /^Runtime\n.*?^Mirrors work here/ms.exec(page)!;
    const ids = [...shown.matchAll(/^ {2}[✔!✘] ([\w-]+) /gm)].map(([, id]) => id!);
    const { json } = cliJson('doctor', '--no-devices');
    const found = json.findings.map(({ id }: { id: string }) => id);
    assert.deepEqual(ids.slice(0, found.length), found);
    const names = [...cli('--help').stdout.matchAll(/^ {2}(\w+) .*\[options\]/gm)].map(([, name]) => name!);
    for (const name of names) assert.ok(page.includes(`\n## ${name}\n`), `a section for ${name}`);
  });
});

test('the README shows what maps prints', () => {
  const [, command, output] = /^\$ mirrorspace (maps [^\n]*)\n(.*?)^```$/ms.exec(readme)!;
  assert.equal(runIn(CLI, ...command!.split(' ')).stdout, output);
});
