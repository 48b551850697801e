/**
 * What TypeScript infers from a layout, which `npm run typecheck` checks; what an editor shows of it; and that the module
 * runs in a browser whose policy forbids generated code.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import ts from 'typescript';
import {
  type Accessor,
  array,
  bits,
  bool,
  type Elements,
  f32,
  f64,
  type LayoutMemory,
  offsetof,
  pointer,
  struct,
  u32,
  u64,
  type ValueOf,
} from '../../src/layout/index.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

const Vec = struct('Vec', { x: f32, y: f32 });
const Node = struct('Node', {
  value: f64,
  get left() {
    return pointer(Node);
  },
  tag: u32,
  id: u64,
  seen: bits(bool, 1),
  place: Vec,
  weights: array(f32, 4),
  get owner() {
    return pointer(Tree);
  },
});
const Tree = struct('Tree', {
  get root() {
    return pointer(Node);
  },
  get first() {
    return Node;
  },
});

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <_ extends true>(): void => {};

// Nothing here needs to run: it compiles, or a type is wrong.
export function types(memory: LayoutMemory): void {
  const node = Node.in(memory).at(0);
  same<Equal<typeof node, Accessor<typeof Node>>>();
  same<Equal<typeof node.value, number>>();
  same<Equal<typeof node.left, number>>();
  same<Equal<typeof node.id, bigint>>();
  same<Equal<typeof node.seen, boolean>>();
  same<Equal<typeof node.place.x, number>>();
  same<Equal<typeof node.weights, Elements<number>>>();
  same<Equal<typeof node.address, number>>();
  same<Equal<ValueOf<typeof u64>, bigint>>();
  same<
    Equal<
      keyof typeof node,
      'value' | 'left' | 'tag' | 'id' | 'seen' | 'place' | 'weights' | 'owner' | 'address' | 'move' | 'toJSON'
    >
  >();
  const tree = Tree.in(memory).at(node.owner);
  same<Equal<typeof tree.first.place.y, number>>();
  same<Equal<typeof Node.name, 'Node'>>();
  node.left = node.left satisfies number;
  node.place = tree.first.place;
  const all = array(Node, 10).in(memory).at(0);
  same<Equal<typeof all, Elements<typeof node>>>();
  const walk = (each: Accessor<typeof Node>): number => each.value;
  walk(all.get(0));
  offsetof(Node, 'left');

  // @ts-expect-error a u64 is a bigint
  node.id = 1;
  // @ts-expect-error a bool is a boolean
  node.seen = 1;
  // @ts-expect-error there is no such field
  node.right;
  // @ts-expect-error where an accessor stands is changed by move
  node.address = 5;
  // @ts-expect-error there is no such field
  offsetof(Node, 'right');
  // @ts-expect-error a struct of another shape
  node.place = tree;
  // @ts-expect-error an array of numbers
  node.weights.set(0, 1n);
  // @ts-expect-error no type
  pointer(5);

  const bad = struct('Bad', { a: 5 }).in(memory).at(0);
  same<Equal<typeof bad.a, never>>();
}

describe('an editor', () => {
  test('shows the fields of an accessor, whose struct names itself', () => {
    const file = fileURLToPath(import.meta.url);
    const text = readFileSync(file, 'utf8');
    const shown = hover(file, text.indexOf('node = Node.in'));
    assert.match(shown, /const node: \{\s+value: number;\s+left: number;\s+tag: number;\s+id: bigint;/);
    assert.match(shown, /seen: boolean;\s+place: \{\s+x: number;\s+y: number;/);
    assert.match(shown, /weights: Elements<number>;\s+owner: number;\s+readonly address: number;/);
    assert.doesNotMatch(shown, /any|Fields|Flat/);
  });
});

function hover(file: string, position: number): string {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile).config,
    ts.sys,
    root,
  );
  const service = ts.createLanguageService({
    getScriptFileNames: () => [file],
    getScriptVersion: () => '1',
    getScriptSnapshot: (path) => {
      const text = ts.sys.readFile(path);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getCompilationSettings: () => ({ ...options, types: [], noErrorTruncation: true }),
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
  });
  return ts.displayPartsToString(service.getQuickInfoAtPosition(file, position)?.displayParts);
}

describe('in a browser', () => {
  test('the module is a bundle of its own files, addresses and errors, and generates no code', async () => {
    const { metafile, outputFiles, warnings } = await build({
      absWorkingDir: root,
      entryPoints: ['src/layout/index.ts'],
      bundle: true,
      platform: 'browser',
      format: 'iife',
      globalName: 'layout',
      metafile: true,
      write: false,
      logLevel: 'silent',
    });
    assert.deepEqual(warnings, []);
    const foreign = Object.keys(metafile.inputs).filter((path) => !path.startsWith('src/layout/'));
    assert.deepEqual(foreign.sort(), ['src/errors.ts', 'src/mm/address.ts']);
    const context = createContext(Object.create(null), { codeGeneration: { strings: false, wasm: false } });
    runInContext(outputFiles[0]!.text, context);
    const answer = runInContext(
      `
      const Node = layout.struct('Node', { value: layout.f64, get next() { return layout.pointer(Node); } });
      const node = Node.in({ address: 4096, size: 64, bytes: new Uint8Array(64) }).at(4096 + 16);
      node.value = 1.5;
      node.next = node.address;
      JSON.stringify([node, layout.sizeof(Node), layout.toC(Node).length > 100]);`,
      context,
    );
    assert.equal(answer, '[{"value":1.5,"next":"0x1010"},16,true]');
  });
});
