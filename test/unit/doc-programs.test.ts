/**
 * Every block of code in the documents runs, and prints what the page says; links of every page lead somewhere.
 * test/fixtures/docs says how each block is run, and why a few can't be. A block that nobody thought of is a failure.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Block, blocksOf, DOCUMENTS, Page, ROOT, readDocument } from '../fixtures/docs/blocks.ts';
import pages from '../fixtures/docs/pages.ts';

/** More blocks than these can't be run: a page that asks for another one needs a better example. */
const MOST_NEVER = 4;

/** A block with the output that follows it. */
interface Shown {
  readonly block: Block;
  readonly output: string | undefined;
}

/** What of a page's blocks is to be run. Drawings have no language; `text` is what the block before it prints. */
function runnable(document: string): Shown[] {
  const ways = pages[document] ?? [];
  const shown: { block: Block; output: string | undefined }[] = [];
  for (const block of blocksOf(document, readDocument(document))) {
    if (block.language === '') {
      assert.doesNotMatch(
        block.text,
        /^\s*(import|export|const|let|await|npm|npx|node|mirrorspace|\$) /m,
        `${block.where} is a drawing`,
      );
      continue;
    }
    const last = shown.at(-1);
    const own = ways[shown.length] && block.text.startsWith(ways[shown.length]!.starts);
    if (block.language === 'text' && last && last.output === undefined && !own) last.output = block.text;
    else shown.push({ block, output: undefined });
  }
  return shown;
}

describe('the blocks of the documents', () => {
  test('are found: in a page, in a list, with or without a language; one that is not closed is refused', () => {
    const page = '# a\n\n```ts\n// one.ts\nf();\n```\n\n- b\n\n  ```\n  drawing\n  ```\n\n~~~sh\nls\n~~~\n';
    const found = blocksOf('a.md', page).map(({ where, language, file }) => `${where} ${language} ${file}`);
    assert.deepEqual(found, ['a.md:3 ts one.ts', 'a.md:10  undefined', 'a.md:14 sh undefined']);
    assert.throws(() => blocksOf('a.md', '```ts\nf();\n'), /not closed/);
  });

  test('are all run by this test, but for a few that it gives a reason for', () => {
    let blocks = 0;
    const reasons: string[] = [];
    for (const document of DOCUMENTS) {
      const ways = pages[document] ?? [];
      const shown = runnable(document);
      blocks += shown.length;
      for (const [i, { block, output }] of shown.entries()) {
        assert.ok(
          ways[i] && block.text.startsWith(ways[i].starts),
          `${block.where}: say in test/fixtures/docs/pages*.ts how this block is run:\n${block.text}`,
        );
        assert.ok(
          output === undefined || ways[i].shows,
          `${block.where}: the output below is compared with nothing`,
        );
      }
      assert.equal(ways.length, shown.length, `${document}: ways for blocks that are not there`);
      reasons.push(...ways.flatMap(({ never }) => never ?? []));
    }
    for (const document of Object.keys(pages)) assert.ok(DOCUMENTS.includes(document), document);
    assert.ok(blocks > 60, `${blocks} blocks`);
    assert.ok(reasons.length <= MOST_NEVER, reasons.join('\n'));
  });
});

const folders: Page[] = [];
/** The files with programs in TypeScript. */
const programs: string[] = [];
after(() => {
  for (const page of folders) page.remove();
});

for (const document of DOCUMENTS) {
  const ways = pages[document] ?? [];
  const shown = runnable(document).filter((_, i) => ways[i] !== undefined);
  if (shown.length === 0) continue;
  describe(document, () => {
    let page: Page;
    before(() => {
      page = new Page();
      folders.push(page);
      // All of them first: programs use modules that come after them, and the other way round.
      for (const { block } of shown) if (block.file) page.write(block.file, block.text);
      for (const [i, { block }] of shown.entries())
        for (const [name, text] of ways[i]!.typed?.(block, page) ?? []) {
          page.write(name, text);
          programs.push(join(page.folder, name));
        }
    });

    for (const [i, { block, output }] of shown.entries()) {
      const { run, never, missing } = ways[i]!;
      const [line] = block.text.split('\n', 1);
      if (never) test(line!, { skip: `never run: ${never}` }, () => {});
      else
        test(line!, (t) => {
          const lacks = missing?.();
          if (lacks) return t.skip(lacks);
          return run!(block, page, output);
        });
    }
  });
}

test('every program in the documents is well typed against the built declarations', () => {
  assert.ok(programs.length > 30, `${programs.length} programs`);
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const flags = '--ignoreConfig --noEmit --strict --skipLibCheck --allowImportingTsExtensions';
  const target = '--target es2023 --module nodenext --types node';
  const { status, stdout } = spawnSync(
    process.execPath,
    [tsc, ...`${flags} ${target}`.split(' '), ...programs],
    { cwd: ROOT, encoding: 'utf8', timeout: 300_000 },
  );
  assert.equal(status, 0, stdout);
});

test('every file that a document links to is there, and every heading', () => {
  const anchors = (document: string): string[] =>
    readDocument(document)
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .map((line) =>
        line
          .replace(/^#+ /, '')
          .toLowerCase()
          .replace(/[^\w\s-]/g, '')
          .replace(/ /g, '-'),
      );
  for (const document of DOCUMENTS)
    for (const [, target, anchor] of readDocument(document).matchAll(/\]\(([^)\s#]*)(?:#([^)\s]+))?\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const path = target === '' ? document : join(dirname(document), target!);
      assert.ok(existsSync(join(ROOT, path)), `${document} links to ${target}`);
      if (anchor && path.endsWith('.md'))
        assert.ok(anchors(path).includes(anchor), `${document} links to ${target}#${anchor}`);
    }
});
