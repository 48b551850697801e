/**
 * The pages in docs/ are right: where a page shows a program and then its output, the program is typed, runs, and prints
 * that; links of every page lead somewhere.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** The programs that a page must have, since a page without any would pass. */
const EXPECTED: Record<string, readonly string[]> = {
  'heap.md': ['list.ts', 'words.ts'],
  'observability.md': ['watch.ts', 'live.ts'],
  'native-libraries.md': ['crc.ts'],
  'queues.md': ['order.ts', 'after.ts', 'groups.ts'],
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));

mkdirSync(join(root, 'test/.tmp'), { recursive: true });
const folder = mkdtempSync(join(root, 'test/.tmp/docs-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const read = (page: string): string => readFileSync(join(root, 'docs', page), 'utf8');

function runNode(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(status, 0, `node ${args.join(' ')}\n${stdout}\n${stderr}`);
  return stdout;
}

for (const [page, names] of Object.entries(EXPECTED)) {
  describe(`docs/${page}`, () => {
    /** Each program, and the output that follows it. */
    const programs = [
      ...read(page).matchAll(/^```ts\n\/\/ ([\w-]+\.ts)\n(.*?)^```$.*?^```text\n(.*?)^```$/gms),
    ].map(([, name, text, output]) => ({ name: name!, text: text!, output: output! }));

    test('every program prints what the page says', () => {
      assert.deepEqual(
        programs.map(({ name }) => name),
        names,
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
  });
}

test('every file that a page links to is there', () => {
  assert.ok(pages.length > 10, pages.join());
  for (const page of pages)
    for (const [, target] of read(page).matchAll(/\]\(([^)\s#]+)[^)]*\)/g))
      if (!target!.startsWith('https:'))
        assert.ok(existsSync(join(root, 'docs', target!)), `${page}: ${target}`);
});
