/**
 * What the demo says on the terminal: its input, what the device and the host each saw at the tree's root, and
 * what was measured.
 *
 * @module
 */

import { type Command, hex } from 'mirrorspace';
import colours from 'picocolors';
import { Presets, SingleBar } from 'cli-progress';
import { LEFT, openTree, readPointer, RIGHT } from './kd-tree.ts';
import type { Points } from './points.ts';
import { count, table } from './table.ts';

const SHOWN_ROWS = 5;

/** The columns in use, and the first rows that could not be used. */
export function describeInput(file: string, { points, malformed, columns }: Points): string {
  const used = [columns.latitude, columns.longitude, ...(columns.label === undefined ? [] : [columns.label])];
  const lines = [`${count(points.length)} points from ${file} (columns ${used.join(', ')})`];
  if (malformed.length > 0) {
    const rows = malformed.length === 1 ? 'row was' : 'rows were';
    lines.push(colours.yellow(`${count(malformed.length)} malformed ${rows} left out:`));
    for (const { line, reason } of malformed.slice(0, SHOWN_ROWS)) lines.push(`  line ${line}: ${reason}`);
    const more = malformed.length - SHOWN_ROWS;
    if (more > 0) lines.push(colours.dim(`  and ${count(more)} more`));
  }
  return lines.join('\n');
}

/** Both sides' view of the root, and whether they agree in everything. */
export function compareRoots(
  tree: { readonly bytes: Uint8Array; readonly address: number },
  seen: Uint8Array,
): { readonly same: boolean; readonly text: string } {
  const { words, doubles } = openTree(tree.bytes, tree.address);
  const root = readPointer(words, 0);
  const word = (root - tree.address) / 4;
  const device = openTree(seen, 0);
  const rows: [string, string, string][] = [
    ['address of the root', hex(root), hex(readPointer(device.words, 0))],
    ['address of its left child', hex(readPointer(words, word + LEFT)), hex(readPointer(device.words, 2))],
    ['address of its right child', hex(readPointer(words, word + RIGHT)), hex(readPointer(device.words, 4))],
    ['x stored at the root', String(doubles[word / 2]), String(device.doubles[3])],
  ];
  const same = rows.every(([, host, other]) => host === other);
  const marked = rows.map(([what, host, other]) => [
    what,
    host,
    other,
    host === other ? colours.green('the same') : colours.red('DIFFERENT'),
  ]);
  const columns = [
    { head: '' },
    { head: 'read by the host', align: 'right' },
    { head: 'seen by the device', align: 'right' },
    { head: '' },
  ] as const;
  return { same, text: table(columns, marked) };
}

/** A bar while a command runs, on a terminal only. */
export async function showProgress(command: Command, items: number): Promise<void> {
  if (!process.stderr.isTTY) return command.done;
  const format = '  {bar} {percentage}%  {value} of {total} queries';
  const bar = new SingleBar(
    { format, barsize: 50, clearOnComplete: true, hideCursor: true, formatValue: (value) => count(value) },
    Presets.shades_classic,
  );
  bar.start(items, 0);
  const timer = setInterval(() => bar.update(Math.round(items * command.progress)), 40);
  try {
    await command.done;
  } finally {
    clearInterval(timer);
    bar.stop();
  }
}
