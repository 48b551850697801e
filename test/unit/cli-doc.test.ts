/** docs/cli.md has a section for every command. That its examples print what it shows is in doc-programs.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cli } from '../fixtures/cli.ts';
import { readDocument } from '../fixtures/docs/blocks.ts';

test('docs/cli.md has a section for every command', () => {
  const page = readDocument('docs/cli.md');
  const names = [...cli('--help').stdout.matchAll(/^ {2}(\w+) .*\[options\]/gm)].map(([, name]) => name!);
  assert.ok(names.includes('doctor') && names.includes('plan'), names.join());
  for (const name of names) assert.ok(page.includes(`\n## ${name}\n`), `a section for ${name}`);
});
