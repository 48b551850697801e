/**
 * docs/errors.md has every error class, code and reason that the sources have.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as mirrorspace from '../../src/index.ts';
import * as mm from '../../src/mm/index.ts';

const folder = new URL('../../src/', import.meta.url);
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(new URL(name, folder), 'utf8'));
const source = sources.join('\n');
const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** The part of the page below a heading. */
function section(title: string): string {
  const found = page.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  assert.ok(found, `a section '${title}'`);
  return found;
}

/** What the first cells of a section's tables name, in backticks. */
function rows(title: string): string[] {
  return section(title)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...line.split(' | ')[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
}

/** The literals of a union type: of the first declaration that begins so. */
function union(beginning: string): string[] {
  const at = source.indexOf(beginning);
  assert.notEqual(at, -1, beginning);
  const declaration = source.slice(at, source.indexOf(';', at));
  return [...declaration.matchAll(/'([^']+)'/g)].map(([, literal]) => literal!);
}

function literals(pattern: RegExp): string[] {
  const found = [...source.matchAll(pattern)].map(([, literal]) => literal!);
  assert.notEqual(found.length, 0, String(pattern));
  return [...new Set(found)];
}

test('every exported error class is in docs/errors.md, with its code', () => {
  const classes = Object.entries({ ...mirrorspace, ...mm }).filter(
    ([, value]) => typeof value === 'function' && value.prototype instanceof Error,
  );
  assert.ok(classes.length >= 10);
  for (const [name] of classes) assert.match(page, new RegExp(`^\\| \`${name}\``, 'm'));
  for (const code of literals(/'(ERR_[A-Z_]+)'/g)) assert.ok(page.includes(`\`${code}\``), code);
});

test('every reason of a ProgramError is in docs/errors.md, and no other', () => {
  const reasons = [
    ...literals(/new ProgramError\(\s*'([\w-]+)'/g),
    // What the cores of a device answer is chosen between these.
    ...union('export type LoadReason'),
  ];
  const other = [...source.matchAll(/new ProgramError\(\s*([^'\s][^,]*)/g)].map(
    ([, expression]) => expression,
  );
  assert.deepEqual([...new Set(other)].sort(), ['error.reason', 'reason'], 'reasons that are no literals');
  assert.deepEqual(rows('ProgramError').sort(), [...new Set(reasons)].sort());
});

test('every reason and remedy of a refusal is in docs/errors.md, and no other', () => {
  const kinds = [...source.matchAll(/\| \{ readonly kind: '([\w-]+)'[^}]*address: Address \}/g)].map(
    ([, kind]) => kind!,
  );
  assert.ok(kinds.length > 0);
  const reasons = union("  readonly reason:\n    | 'no-common-window'");
  assert.deepEqual(rows('PlacementError').sort(), [...reasons, ...kinds].sort());
});

test('every state of a StateError and every reason of a DeviceFault is in docs/errors.md, and no other', () => {
  assert.deepEqual(rows('StateError').sort(), union("readonly state:\n    | 'closed'").sort());
  assert.deepEqual(rows('DeviceFault').sort(), union("  readonly reason: 'unmapped'").sort());
});

test('every reason of an AttachError is in docs/errors.md, and no other', () => {
  assert.deepEqual(rows('AttachError').sort(), union("readonly reason: 'gone'").sort());
});

test('every reason of an EvacuationError is in docs/errors.md, and no other', () => {
  assert.deepEqual(rows('EvacuationError').sort(), union("  readonly reason:\n    | 'not-mapped'").sort());
});

test('every thing that an UnsupportedError calls missing is in docs/errors.md', () => {
  const missing = [
    ...literals(/new UnsupportedError\(\s*'([^']+)'/g),
    ...literals(/\brefuse\(\s*'([A-Z]\w+)'/g),
  ];
  const listed = rows('UnsupportedError');
  for (const name of missing) assert.ok(listed.includes(name), name);
});

test('every reason for which a device gives itself up is in docs/errors.md', () => {
  const said = [...source.matchAll(/\blose\(\s*(?:control,\s*)?(['`])(.*?)\1,?\s*\)/gs)].map(
    ([, , text]) => text!,
  );
  assert.ok(said.length > 5);
  const listed = rows('DeviceLost');
  const plain = (text: string) => text.replace(/\$\{[^}]*\}/g, 'N');
  for (const text of said) {
    assert.ok(
      listed.some((beginning) => plain(text).startsWith(beginning)),
      plain(text),
    );
  }
});
