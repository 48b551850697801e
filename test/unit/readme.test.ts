/**
 * What the README says of its own examples and of the package: how short they are, commands, dependencies. That its
 * blocks run, and that its links lead somewhere, is in doc-programs.test.ts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { blocksOf, DOCUMENTS, ROOT as root } from '../fixtures/docs/blocks.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = blocksOf('README.md', readme);

/** The code block whose first line is a comment with that file name. */
function codeBlock(file: string): string {
  const found = blocks.filter((block) => block.file === file);
  assert.equal(found.length, 1, `code blocks named ${file}`);
  return found[0]!.text;
}

test('two processes share an array in six lines, as the README says', () => {
  const lines = (file: string) =>
    codeBlock(file)
      .split('\n')
      .slice(1)
      .filter((line) => line.trim() !== '' && !line.startsWith('import ') && !line.startsWith('console.log'));
  assert.equal(lines('parent.ts').length + lines('child.ts').length, 6);
});

test('the README says in words what its examples print, as doc-programs.test.ts sees them do', () => {
  assert.match(codeBlock('parent.ts'), /console\.log\(.*\); \/\/ 3\.141592653589793,/);
  assert.match(readme, /It prints `523776 true false`/);
});

test('the example is one of 15 lines', () => {
  const lines = codeBlock('example.ts').split('\n').slice(1);
  const code = lines.filter((line) => line.trim() !== '');
  assert.ok(code.length <= 15, `${code.length} lines`);
});

test('every npm command of the documents is there', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const file of ['README.md', 'CONTRIBUTING.md']) {
    const text = readFileSync(join(root, file), 'utf8');
    const named = [...text.matchAll(/\bnpm (?:run ([\w-]+)|(start|test)\b)/g)].map(
      ([, run, own]) => run ?? own!,
    );
    assert.ok(named.includes('test'), `${file} names npm test`);
    for (const name of named) assert.ok(Object.hasOwn(scripts, name), `${file}: npm run ${name}`);
  }
});

test('the README links every page of docs/, those that a newcomer needs in the order in which one needs them', () => {
  const linked = [...readme.slice(readme.indexOf('\n## More\n')).matchAll(/\]\((docs\/[\w-]+\.md)\)/g)].map(
    ([, page]) => page!,
  );
  const order =
    'start how-it-works placement memory-types wasm-device process-device opencl writing-a-device kernels system-svm sharing errors performance limits security comparison';
  const wanted = order.split(' ').map((name) => `docs/${name}.md`);
  assert.deepEqual(
    linked.filter((page) => wanted.includes(page)),
    wanted,
  );
  for (const page of DOCUMENTS.filter((name) => name.startsWith('docs/')))
    assert.ok(linked.includes(page), `a link to ${page}`);
});

test('the run-time dependencies are those that the README explains', () => {
  const { dependencies, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    engines: { node: string };
  };
  for (const [name, version] of Object.entries(dependencies)) {
    const row = readme.split('\n').find((line) => line.startsWith(`| [${name}]`));
    assert.ok(row?.includes(version), `a row for ${name} ${version}`);
  }
  assert.equal(engines.node, '>=20');
  assert.match(readme, /Node\.js 20 or newer/);
});
