/**
 * docs/queues.md is right: its programs are typed, run, and print what it says; its links lead somewhere.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/queues.md'), 'utf8');

mkdirSync(join(root, 'test/.tmp'), { recursive: true });
const folder = mkdtempSync(join(root, 'test/.tmp/queues-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Each program, and the output that follows it. */
const programs = [...page.matchAll(/^```ts\n\/\/ ([\w-]+\.ts)\n(.*?)^```$.*?^```text\n(.*?)^```$/gms)].map(
  ([, name, text, output]) => ({ name: name!, text: text!, output: output! }),
);

function runNode(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(status, 0, `node ${args.join(' ')}\n${stdout}\n${stderr}`);
  return stdout;
}

test('every program prints what the page says', () => {
  assert.deepEqual(
    programs.map(({ name }) => name),
    ['order.ts', 'after.ts', 'groups.ts'],
  );
  for (const { name, text, output } of programs) {
    writeFileSync(join(folder, name), text);
    assert.equal(runNode('--import', 'tsx', name), output, name);
  }
});

test('every program is well typed against the built declarations', () => {
  for (const { name, text } of programs) writeFileSync(join(folder, name), text);
  const flags =
    '--ignoreConfig --noEmit --strict --skipLibCheck --target es2023 --module nodenext --types node';
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  runNode(tsc, ...flags.split(' '), ...programs.map(({ name }) => name));
});

test('every file that the page links to is there', () => {
  for (const [, target] of page.matchAll(/\]\(([^)\s#]+)[^)]*\)/g)) {
    if (!target!.startsWith('https:')) assert.ok(existsSync(join(root, 'docs', target!)), target);
  }
});
