/**
 * The rules of the source tree: which part may import which, read from the import statements themselves; the header,
 * size and name of each file; and that the pure parts really need nothing but the language.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Import {
  /** `mm/gap-tree.ts`, `node:fs`, `koffi`. */
  readonly target: string;
  /** Gone once the types are: `import type`, `export type`, `import('…').X`. */
  readonly typeOnly: boolean;
}

interface SourceFile {
  /** From src/: `mm/gap-tree.ts`. */
  readonly path: string;
  readonly text: string;
  /** The comment that the file begins with. */
  readonly header: string;
  readonly imports: readonly Import[];
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, 'src', path), 'utf8');
  const imports: Import[] = [];
  const add = (specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (!specifier) return;
    // The one that imports what its users give it.
    if (path === 'device/process/core-programs.ts' && specifier.getText() === 'url') return;
    assert.ok(ts.isStringLiteralLike(specifier), `${path} imports what only running it tells`);
    const { text: name } = specifier;
    const target = name.startsWith('.') ? normalize(join(path, '..', name)) : name;
    imports.push({ target, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument))
      add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && loads(node.expression)) add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return { path, text, header: /^\/\*\*.*?\*\//s.exec(text)?.[0] ?? '', imports };
}

/** `import(…)`, `require(…)`, `createRequire(…)(…)`. */
function loads(callee: ts.Expression): boolean {
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true;
  if (ts.isIdentifier(callee)) return callee.text === 'require';
  return (
    ts.isCallExpression(callee) &&
    ts.isIdentifier(callee.expression) &&
    callee.expression.text === 'createRequire'
  );
}

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.as.ts'))
  .sort()
  .map(readSource);
const byPath = new Map(files.map((file) => [file.path, file]));

/** The part that a path belongs to: its folder in src/, or the file itself. */
const partOf = (path: string): string => path.split('/')[0]!;

/** What each part may import besides itself. A prefix, of a path in src/ or of a module's name. */
const INTERFACE = ['device/device.ts', 'device/commands.ts', 'device/capabilities.ts'];
const rules: Record<string, readonly string[]> = {
  // The type of a report alone.
  'errors.ts': ['placement/refusal.ts'],
  mm: ['errors.ts'],
  layout: ['mm/', 'errors.ts'],
  placement: ['mm/', 'errors.ts'],
  ffi: ['errors.ts', 'node:', 'koffi'],
  linux: ['ffi/', 'mm/', 'errors.ts', 'node:'],
  engine: [...INTERFACE, 'linux/', 'ffi/', 'mm/', 'errors.ts', 'observe/', 'node:'],
  device: [
    ...['engine/', 'linux/', 'ffi/', 'mm/', 'layout/', 'errors.ts', 'observe/', 'node:'],
    'assemblyscript/asc',
  ],
  mirror: [
    ...INTERFACE,
    'placement/',
    'engine/',
    'linux/',
    'ffi/',
    'layout/',
    'mm/',
    'errors.ts',
    'observe/',
    'node:',
  ],
  observe: ['placement/', 'mm/', 'errors.ts', 'node:'],
  web: ['observe/index.ts', 'placement/index.ts', 'errors.ts', 'node:'],
  // Of observe the names of events and types, of web types alone: nothing of Node's gets into a browser.
  page: [
    'observe/',
    'web/',
    'mm/address.ts',
    'errors.ts',
    'uplot',
    'uplot/dist/uPlot.min.css',
    'vite',
    'node:url',
  ],
  cli: ['mirrorspace', 'node:', 'commander', 'picocolors'],
  'index.ts': ['device/', 'mirror/', 'placement/', 'layout/', 'observe/', 'mm/', 'errors.ts'],
};

/** The imports of these files that no prefix allows, as `from -> target`. */
function offences(
  those: readonly SourceFile[],
  allowed: (file: SourceFile, target: string) => boolean,
): string[] {
  return those.flatMap((file) =>
    file.imports
      .filter(({ target }) => !allowed(file, target))
      .map(({ target }) => `${file.path} -> ${target}`),
  );
}

test('the imports are found in every form that they have', () => {
  const library = byPath.get('ffi/library.ts');
  assert.deepEqual(library?.imports.map(({ target }) => target).sort(), [
    'errors.ts',
    'koffi',
    'koffi',
    'node:module',
  ]);
  const index = byPath.get('index.ts')!;
  assert.ok(index.imports.some(({ target, typeOnly }) => target === 'device/device.ts' && typeOnly));
  assert.ok(index.imports.some(({ target, typeOnly }) => target === 'errors.ts' && !typeOnly));
  assert.ok(files.length > 50);
});

test('every import of a file of the package finds it', () => {
  const own = (target: string) => /\.[cm]?[jt]s$/.test(target) && !target.startsWith('node:');
  assert.deepEqual(
    offences(files, (_file, target) => !own(target) || byPath.has(target)),
    [],
  );
});

describe('by the rules of the folders', () => {
  for (const part of new Set(files.map(({ path }) => partOf(path))))
    test(`src/${part} imports only what it may know`, () => {
      const allowed = rules[part];
      assert.ok(allowed, `src/${part} is a new part: say here what it may import`);
      const those = files.filter(({ path }) => partOf(path) === part);
      assert.ok(those.length > 0);
      const own = part.endsWith('.ts') ? [] : [`${part}/`];
      assert.deepEqual(
        offences(those, (_file, target) => [...own, ...allowed].some((prefix) => target.startsWith(prefix))),
        [],
      );
    });

  test('only src/ffi knows koffi, in whatever way it is named', () => {
    const naming = files.filter(({ text }) => /['"`]koffi['"`/]/.test(text)).map(({ path }) => partOf(path));
    assert.deepEqual([...new Set(naming)], ['ffi']);
  });

  test('koffi is the only dependency; the optional compiler is known to the thread that runs it', () => {
    const foreign = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => !target.endsWith('.ts') && !target.startsWith('node:'))
        .map(({ target }) => `${['ffi', 'cli'].includes(partOf(path)) ? partOf(path) : path} -> ${target}`)
        .filter((each) => !each.startsWith('cli -> mirrorspace')),
    );
    // What the command line uses of others is in its bundle.
    assert.deepEqual([...new Set(foreign)].sort(), [
      'cli -> commander',
      'cli -> picocolors',
      'device/wasm/entry-compile.ts -> assemblyscript/asc',
      'ffi -> koffi',
      'page/panel.ts -> uplot',
      'page/panel.ts -> uplot/dist/uPlot.min.css',
      'page/vite-config.ts -> vite',
    ]);
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    assert.deepEqual(Object.keys(dependencies), ['koffi']);
    assert.deepEqual(Object.keys(peerDependencies), ['assemblyscript']);
  });

  test('a device is known to its own folder and to src/index.ts, and to nothing else', () => {
    const particular = /^device\/(?!conformance\/)[^/]+\//;
    assert.deepEqual(
      offences(files, ({ path }, target) => {
        const device = particular.exec(target)?.[0];
        return device === undefined || path === 'index.ts' || path.startsWith(device);
      }),
      [],
    );
    const wasm = byPath.get('index.ts')!.imports.filter(({ target }) => target.startsWith('device/wasm/'));
    assert.ok(wasm.length >= 1);
  });

  test('only the wasm device, src/index.ts and the command line speak of wasm in their code', () => {
    const speaking = files.filter(({ path, text }) => {
      const code = text.replaceAll(/\/\*.*?\*\/|\/\/[^\n]*/gs, '').replaceAll(/'[^'\n]*'|`[^`]*`/g, '');
      return /wasm/i.test(code) && !/^(device\/wasm|cli)\//.test(path);
    });
    assert.deepEqual(
      speaking.map(({ path }) => path),
      ['index.ts'],
    );
  });

  test('the system is asked in src/linux and src/ffi, by C prototype, and nowhere else', () => {
    const asking = files.filter(
      ({ path, text }) => !/^(ffi|linux)\//.test(path) && text.includes('libcFunction'),
    );
    assert.deepEqual(
      asking.map(({ path }) => path),
      [],
    );
  });

  test('what calls itself pure reaches no Node module, no native call and no package when it runs', () => {
    const reached = (path: string, seen = new Set<string>()): Set<string> => {
      if (seen.has(path)) return seen;
      seen.add(path);
      for (const { target, typeOnly } of byPath.get(path)?.imports ?? [])
        if (!typeOnly) reached(target, seen);
      return seen;
    };
    const pure = files.filter(
      ({ header, path }) => /\bPure\b/.test(header) || /^(mm|placement|layout)\//.test(path),
    );
    assert.ok(pure.length > 20);
    for (const { path } of pure) {
      const impure = [...reached(path)].filter((each) => !byPath.has(each) || /^(ffi|linux)\//.test(each));
      assert.deepEqual(impure, [], path);
    }
  });
});

describe('every file of src/', () => {
  test('begins with a paragraph about what it is for, with @module', () => {
    const bare = files.filter(({ header }) => {
      const [about = '', tag] = header.split('@module');
      return tag === undefined || about.replaceAll(/[^a-z]/gi, '').length < 40 || !about.includes('.');
    });
    assert.deepEqual(
      bare.map(({ path }) => path),
      [],
    );
  });

  test('has less than 350 lines', () => {
    const long = files.filter(({ text }) => text.trimEnd().split('\n').length >= 350);
    assert.deepEqual(
      long.map(({ path }) => path),
      [],
    );
  });

  test('has a name that says what it holds', () => {
    const vague = files.filter(({ path }) => /(^|[/-])(utils?|helpers?|common|misc|shared)\.ts$/i.test(path));
    assert.deepEqual(
      vague.map(({ path }) => path),
      [],
    );
    assert.deepEqual(
      files.filter(({ path }) => !/^([a-z0-9-]+\/)*[a-z0-9-]+(\.d)?\.ts$/.test(path)).map(({ path }) => path),
      [],
    );
  });
});

describe('src/mm in a browser', () => {
  const bundle = () =>
    build({
      absWorkingDir: root,
      entryPoints: ['src/mm/index.ts'],
      bundle: true,
      platform: 'browser',
      format: 'iife',
      globalName: 'mm',
      metafile: true,
      write: false,
      logLevel: 'silent',
    });

  test('is a bundle of its own files and the errors, and of nothing else', async () => {
    const { metafile, warnings } = await bundle();
    assert.deepEqual(warnings, []);
    const inputs = Object.keys(metafile.inputs);
    assert.ok(inputs.includes('src/mm/gap-tree.ts'));
    assert.deepEqual(
      inputs.filter((path) => !path.startsWith('src/mm/') && path !== 'src/errors.ts'),
      [],
    );
    for (const { imports } of Object.values(metafile.outputs)) assert.deepEqual(imports, []);
  });

  test('runs where there is nothing but the language', async () => {
    const { outputFiles } = await bundle();
    const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
    // V8 puts its inspector's console into every context.
    runInContext('delete globalThis.console', context);
    const globals = ['process', 'require', 'Buffer', 'console', 'setTimeout', 'performance', 'URL', 'module'];
    for (const name of globals) assert.equal(runInContext(`typeof ${name}`, context), 'undefined', name);
    runInContext(outputFiles[0]!.text, context);
    const answer = runInContext(
      `
      const tree = new mm.GapTree(0, 1 << 20);
      for (let at = 0; at < 1 << 20; at += 64) tree.insert(at, at + 48);
      tree.remove(640, 688);
      tree.validate();
      const { vmas, unaddressable } = mm.parseMaps(
        '00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/dbus-daemon\\n' +
        'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\\n');
      let refused;
      try { tree.insert(0, 1.5); } catch (error) { refused = error.code; }
      JSON.stringify([
        tree.findGap({ length: 64, fit: 'exact' }),
        tree.findGapTopdown({ length: 16, fit: 'exact' }),
        vmas[0].start, mm.formatProtection(vmas[0]), unaddressable.length, refused,
      ]);`,
      context,
    );
    assert.equal(answer, JSON.stringify([624, 2 ** 20 - 16, 0x400000, 'r-xp', 1, 'ERR_OUT_OF_RANGE']));
  });
});
