/**
 * The package as it is published: packed, installed in empty projects from its file, used from plain JavaScript and from
 * strict TypeScript, on the running Node or on those of MIRRORSPACE_NODES; and the starter project in examples/.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { nodes } from '../fixtures/run-child.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// Outside of the checkout, so that nothing of it is found.
const folder = mkdtempSync(join(tmpdir(), 'packed-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Without what `npm test` has set: it is of another project. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

function run(cwd: string, command: string, ...args: readonly string[]): string {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 300_000,
  });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${signal ?? error ?? ''}\n${stdout}\n${stderr}`);
  return stdout;
}

function runNode(cwd: string, node: string | undefined, ...args: readonly string[]): string {
  return node === undefined
    ? run(cwd, process.execPath, ...args)
    : run(cwd, 'npx', '--yes', `--package=node@${node}`, '--', 'node', ...args);
}

let tarball = '';
before(() => {
  // What was built last is packed: another build would take dist/ away from the tests beside this one.
  const [packed] = JSON.parse(
    run(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', folder),
  );
  tarball = join(folder, packed.filename);
});

/** A new project with the package and others installed. */
function project(name: string, ...packages: readonly string[]): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  run(path, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', tarball, ...packages);
  return path;
}

const KERNELS = `
import { view } from 'mirrorspace/kernel';
export function double(begin, end, at) {
  const words = view(Int32Array, at, end);
  for (let i = begin; i < end; i++) words[i] *= 2;
}
`;

const PROGRAM = `
import { openMirror, processDevice } from 'mirrorspace';
import { i32, struct } from 'mirrorspace/layout';
import { parseMaps } from 'mirrorspace/mm';
import { PlacementSpace } from 'mirrorspace/placement';
import { isDevice } from 'mirrorspace/kernel';
import { satisfies } from 'mirrorspace/device';
import { readFileSync } from 'node:fs';

const mirror = await openMirror({ devices: { proc: processDevice({ cores: 1 }) } });
const { proc } = mirror.devices;
const buffer = mirror.alloc(4096, { name: 'words' });
const words = buffer.view(Int32Array);
for (let i = 0; i < words.length; i++) words[i] = i;
const program = await proc.load(new URL('./kernels.js', import.meta.url));
await proc.queue.launch(program.kernel('double', ['pointer']), { items: words.length, args: [buffer] }).done;
const mapped = parseMaps(readFileSync('/proc/self/maps', 'utf8')).vmas.some(({ start, end }) =>
  start <= buffer.address && buffer.address < end);
console.log(JSON.stringify({
  doubled: words.every((word, i) => word === 2 * i), mapped, apart: proc.pid !== process.pid,
  others: [typeof struct('S', { a: i32 }), typeof PlacementSpace, isDevice(), typeof satisfies],
}));
await mirror.close();
`;
const EXPECTED = {
  doubled: true,
  mapped: true,
  apart: true,
  others: ['object', 'function', false, 'function'],
};

describe('in an empty project', () => {
  let path = '';
  before(() => {
    path = project('plain', '@types/node@20');
    writeFileSync(join(path, 'kernels.js'), KERNELS);
    writeFileSync(join(path, 'main.js'), PROGRAM);
  });

  test('it brings koffi and nothing else', () => {
    const installed = readdirSync(join(path, 'node_modules'))
      .filter((name) => !name.startsWith('.') && !['@types', 'undici-types'].includes(name))
      .sort();
    assert.deepEqual(
      installed.filter((name) => !name.startsWith('@koromix')),
      ['koffi', 'mirrorspace'],
    );
  });

  for (const { name, node } of nodes())
    test(`JavaScript runs a kernel in another process, on ${name}`, () => {
      assert.deepEqual(JSON.parse(runNode(path, node, 'main.js')), EXPECTED);
    });

  for (const { name, node } of nodes())
    test(`the command works, on ${name}`, () => {
      const bin = join(path, 'node_modules/.bin/mirrorspace');
      assert.equal(runNode(path, node, bin, '--version'), `${manifest.version}\n`);
      assert.match(runNode(path, node, bin, 'maps'), /\[stack\]/);
      assert.match(
        runNode(path, node, bin, 'plan', '--size', '64M', '-w', '0x10000:4G'),
        /^64 MiB fit at 0x/,
      );
      const { ok, findings } = JSON.parse(runNode(path, node, bin, 'doctor', '--json'));
      assert.ok(ok, JSON.stringify(findings));
    });

  test('the command is executable, and says where the benchmarks are', () => {
    const bin = join(path, 'node_modules/.bin/mirrorspace');
    assert.equal(run(path, bin, '--version'), `${manifest.version}\n`);
    const { status, stderr } = spawnSync(bin, ['bench'], { cwd: path, encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /no benchmarks here.*checkout/);
  });

  test('strict TypeScript finds the declarations of every entry point, and they are sound', () => {
    const entries = Object.entries<string | { types: string }>(manifest.exports).filter(
      ([, target]) => typeof target === 'object',
    );
    assert.ok(entries.length >= 7);
    const imports = entries.map(
      ([name], i) => `import * as part${i} from '${join('mirrorspace', name)}';\nexport { part${i} };\n`,
    );
    writeFileSync(
      join(path, 'typed.ts'),
      `${imports.join('')}
import { openMirror, type SvmBuffer, wasmDevice } from 'mirrorspace';
export async function typed(): Promise<SvmBuffer> {
  const mirror = await openMirror({ devices: { wasm: wasmDevice() } });
  // @ts-expect-error: there is no such device
  mirror.devices.gpu;
  return mirror.alloc(4096);
}
`,
    );
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const flags = '--ignoreConfig --noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess';
    const target = '--target es2023 --lib es2023,esnext.disposable --module nodenext --types node';
    run(path, process.execPath, tsc, ...flags.split(' '), ...target.split(' '), 'typed.ts');
  });
});

describe('the starter project', () => {
  let path = '';
  before(() => {
    path = join(folder, 'starter');
    cpSync(join(root, 'examples/starter'), path, {
      recursive: true,
      filter: (source) => !/\/(node_modules|dist)$/.test(source),
    });
    run(path, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', tarball);
    run(path, 'npm', 'run', 'build');
  });

  test('is in the package', () => {
    const packed = readdirSync(join(path, 'node_modules/mirrorspace/examples/starter'), {
      recursive: true,
      encoding: 'utf8',
    });
    for (const name of ['package.json', 'asconfig.json', 'src/main.ts', 'kernels/smooth.as.ts'])
      assert.ok(packed.includes(name), `${name} in ${packed}`);
  });

  for (const { name, node } of nodes())
    test(`builds its kernel and its program, and runs, on ${name}`, () => {
      // A smoothed sine falls from 1 to -1 and comes back: 4 in all.
      assert.equal(
        runNode(path, node, 'dist/main.js'),
        'roughness 99999 -> 4.001, peak 1.000\n1000 launches over 100000 points; the curve never left a and b\n',
      );
    });
});
