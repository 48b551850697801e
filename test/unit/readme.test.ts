/**
 * The README is right: its kernel compiles with its command, its example is typed and prints what it says, its
 * commands and links exist.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, text]) => ({
  language: language!,
  text: text!,
}));

// Inside the checkout, so that the package's own name resolves to it as it would for a user.
mkdirSync(join(root, 'test/.tmp'), { recursive: true });
const folder = mkdtempSync(join(root, 'test/.tmp/readme-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The code block whose first line is a comment with that file name. */
function codeBlock(file: string): string {
  const found = blocks.filter(({ text }) => text.startsWith(`// ${file}\n`));
  assert.equal(found.length, 1, `code blocks named ${file}`);
  return found[0]!.text;
}

/** The example, with the lines that break a pointer before its last one. */
function program(): string {
  const lines = codeBlock('example.ts').trimEnd().split('\n');
  return [...lines.slice(0, -1), codeBlock('broken.ts').trimEnd(), lines.at(-1)].join('\n');
}

function runNode(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0, `node ${args.join(' ')}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Addresses and core numbers are the machine's. */
const normal = (text: string) => text.replace(/0x[0-9a-f]+/g, '0x…').replace(/core \d+/g, 'core N');

test('the kernel compiles with the command of the README, and the example prints what the README says', () => {
  writeFileSync(join(folder, 'sum.as.ts'), codeBlock('sum.as.ts'));
  const commands = blocks.filter(({ language, text }) => language === 'sh' && text.startsWith('npx asc '));
  assert.equal(commands.length, 1);
  const args = commands[0]!.text.trim().split(' ').slice(2);
  runNode(join(root, 'node_modules/assemblyscript/bin/asc.js'), ...args);

  writeFileSync(join(folder, 'example.ts'), program());
  const expected = blocks.find(({ language }) => language === 'text')!.text;
  assert.equal(normal(runNode('--import', 'tsx', 'example.ts')), normal(expected));
});

test('two processes share an array in six lines, as the README says, and print what it says', () => {
  const lines = (file: string) =>
    codeBlock(file)
      .split('\n')
      .slice(1)
      .filter((line) => line.trim() !== '' && !line.startsWith('import ') && !line.startsWith('console.log'));
  assert.equal(lines('parent.ts').length + lines('child.ts').length, 6);
  for (const file of ['parent.ts', 'child.ts']) writeFileSync(join(folder, file), codeBlock(file));
  const said = runNode('--import', 'tsx', 'parent.ts');
  assert.equal(said.trim(), /console\.log.*\/\/ ([\d.]+),/.exec(codeBlock('parent.ts'))?.[1]);
  const flags =
    '--ignoreConfig --noEmit --strict --skipLibCheck --target es2023 --module nodenext --types node';
  runNode(join(root, 'node_modules/typescript/bin/tsc'), ...flags.split(' '), 'parent.ts', 'child.ts');
});

test('the example on the process device prints what the README says', () => {
  writeFileSync(join(folder, 'kernels.js'), codeBlock('kernels.js'));
  writeFileSync(join(folder, 'process.ts'), codeBlock('process.ts'));
  const printed = /It prints `(523776 [a-z ]+)`/.exec(readme)?.[1];
  assert.equal(runNode('--import', 'tsx', 'process.ts').trim(), printed);
});

test('the example is one of 15 lines', () => {
  const lines = codeBlock('example.ts').split('\n').slice(1);
  const code = lines.filter((line) => line.trim() !== '');
  assert.ok(code.length <= 15, `${code.length} lines`);
});

test('the example is well typed against the built declarations', () => {
  writeFileSync(join(folder, 'typed.ts'), program());
  writeFileSync(join(folder, 'typed-process.ts'), codeBlock('process.ts'));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const flags =
    '--ignoreConfig --noEmit --strict --skipLibCheck --target es2023 --module nodenext --types node';
  runNode(tsc, ...flags.split(' '), 'typed.ts', 'typed-process.ts');
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

test('every file that the documents link to is there', () => {
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    'docs/how-it-works.md',
    'docs/errors.md',
    'docs/limits.md',
    'docs/sharing.md',
    'docs/process-device.md',
  ];
  for (const file of documents) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https:|#)/.test(target!)) continue;
      const path = join(root, file, '..', target!.replace(/#.*$/, ''));
      assert.ok(existsSync(path), `${file} links to ${target}`);
    }
  }
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
