/**
 * What the demo says on the terminal: its input, the device's window and the places of the buffers, what the
 * device and the host each saw at the tree's root, what was measured, and whether the answers were right.
 *
 * @module
 */

import { Presets, SingleBar } from 'cli-progress';
import {
  type Command,
  describeRefusal,
  formatBytes,
  hex,
  KiB,
  type Mirror,
  type Occupied,
  type SvmBuffer,
  type WasmDevice,
} from 'mirrorspace';
import type { Accessor, PiecedMemory } from 'mirrorspace/layout';
import colours from 'picocolors';
import { SLIVER, survey, surveyKey, surveyLine, surveyTable, whyThere } from './address-space.ts';
import type { Wrong } from './check.ts';
import { Node, type Seen, type Tree } from './layout.ts';
import type { SearchRate } from './measure.ts';
import type { Points } from './points.ts';
import { count, duration, heading, shorten, table } from './table.ts';

const SHOWN_ROWS = 5;

/** The columns in use, and the first rows that could not be used. */
export function describeInput(file: string, { points, malformed, columns }: Points): string {
  const used = [columns.latitude, columns.longitude, ...(columns.label === undefined ? [] : [columns.label])];
  const lines = [
    `${colours.bold(`${count(points.length)} points`)} from ${file} (columns ${used.join(', ')})`,
  ];
  if (malformed.length > 0) {
    const rows = malformed.length === 1 ? 'row was' : 'rows were';
    lines.push(colours.yellow(`${count(malformed.length)} malformed ${rows} left out:`));
    for (const { line, reason } of malformed.slice(0, SHOWN_ROWS)) lines.push(`  line ${line}: ${reason}`);
    const more = malformed.length - SHOWN_ROWS;
    if (more > 0) lines.push(colours.dim(`  and ${count(more)} more`));
  }
  return lines.join('\n');
}

/** What the device reaches, and what is in the way there. */
export function describeWindow(mirror: Mirror, device: WasmDevice): string {
  const { window } = device;
  const size = formatBytes(window.end - window.start);
  const cores = `${device.cores} ${device.cores === 1 ? 'core' : 'cores'}`;
  return [
    heading(`The window of device ${device.name}: ${hex(window.start)} to ${hex(window.end)}, ${size}`),
    colours.dim(`process ${device.pid}, ${cores}; a buffer must lie where both it and this process are free`),
    surveyTable(survey(window, mirror.occupants(window), SLIVER)),
  ].join('\n');
}

/** Where the search put each buffer and why; and that a place that is taken is refused. */
export function describePlaces(
  mirror: Mirror,
  { window }: WasmDevice,
  buffers: readonly SvmBuffer[],
  before: readonly Occupied[],
): string {
  const taken = [...before];
  const rows = buffers.map((buffer) => {
    const { address, size, guard } = buffer.placement;
    const why = whyThere(address, taken, window);
    taken.push({ start: address, end: address + size + guard, kind: 'buffer', name: buffer.name, owner: '' });
    taken.sort((a, b) => a.start - b.start);
    return [colours.cyan(buffer.name), formatBytes(buffer.size), hex(address), why];
  });
  const columns = [
    { head: 'buffer' },
    { head: 'size', align: 'right' },
    { head: 'address', align: 'right' },
    { head: 'why there', width: 60 },
  ] as const;
  const stretches = survey(window, mirror.occupants(window));
  const lines = [
    heading('Where the search placed memory'),
    table(columns, rows),
    '',
    surveyLine(window, stretches),
    surveyKey(window),
  ];
  const obstacle = before.find(({ kind }) => kind === 'vma');
  const plan = obstacle && mirror.plan(64 * KiB, { place: { at: obstacle.start } });
  if (plan?.ok === false) {
    const [what, why] = describeRefusal(plan.refusal).split('\n');
    lines.push(
      '',
      colours.dim(`and asked for a place that is taken, it refuses: ${what}`),
      colours.dim(`  ${shorten(why ?? '', 96)}`),
    );
  }
  return lines.join('\n');
}

/** Both sides' view of the root, and whether they agree in everything. */
export function compareRoots(
  memory: PiecedMemory,
  tree: Accessor<typeof Tree>,
  seen: Accessor<typeof Seen>,
): { readonly same: boolean; readonly text: string } {
  const root = Node.in(memory).at(tree.root);
  const rows = [
    ['address of the root', hex(root.address), hex(seen.root)],
    ['address of its left child', hex(root.left), hex(seen.left)],
    ['address of its right child', hex(root.right), hex(seen.right)],
    ['x stored at the root', String(root.x), String(seen.x)],
  ];
  const marked = rows.map((row) => [
    ...row,
    row[1] === row[2] ? colours.green('the same') : colours.red('DIFFERENT'),
  ]);
  const columns = [
    {},
    { head: 'as the host reads it', align: 'right' },
    { head: 'as the device sees it', align: 'right' },
    {},
  ] as const;
  return { same: rows.every(([, host, other]) => host === other), text: table(columns, marked) };
}

/** A bar while a command runs, on a terminal only. */
export async function showProgress(command: Command, items: number): Promise<void> {
  if (!process.stderr.isTTY) return command.done;
  const bar = new SingleBar(
    {
      format: '  {bar} {percentage}%  {value} of {total} queries',
      barsize: 50,
      clearOnComplete: true,
      hideCursor: true,
      formatValue: (value, _options, type) => (type === 'percentage' ? String(value) : count(value)),
    },
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

export interface Measurements {
  readonly nodes: number;
  /** Bytes that they take. */
  readonly treeBytes: number;
  readonly queries: number;
  readonly cores: number;
  readonly times: Command['times'];
  readonly javascript: SearchRate;
  readonly handOver: number;
  readonly clone: number;
  readonly counters: ReturnType<WasmDevice['counters']>;
}

export function describeMeasurements(measured: Measurements): string {
  const { nodes, treeBytes, queries, cores, times, javascript, handOver, clone, counters } = measured;
  const took = (times.finished ?? Number.NaN) - (times.started ?? Number.NaN);
  const rate = (1000 * queries) / took;
  const ratio = (value: number) => `${count(value)} times`;
  const on = `the device, ${cores} ${cores === 1 ? 'core' : 'cores'}`;
  const rows = [
    ['nodes in the tree', count(nodes), `${formatBytes(treeBytes)} of an arena`],
    [`queries by ${on}`, count(queries), `in ${duration(took)}`],
    [`queries a second, ${on}`, count(rate), `${ratio(rate / javascript.perSecond)} JavaScript`],
    ['queries a second, JavaScript, same bytes', count(javascript.perSecond), 'one thread'],
    ['handing the tree over', duration(handOver), 'host stores, device has answered'],
    ['structuredClone of it as objects', duration(clone), `${ratio(clone / handOver)} handing it over`],
    [
      'page faults the device took',
      count(counters.faults),
      `${formatBytes(counters.filledBytes)} made visible`,
    ],
    ['faults outside buffers', count(counters.wildFaults), ''],
  ];
  const columns = [{}, { align: 'right' }, {}] as const;
  return `${heading('What was measured')}\n${table(columns, rows)}`;
}

/** The verdict of both checks. */
export function describeWrong(
  wrong: readonly Wrong[],
  checked: number,
  { different, queries }: SearchRate,
  seed: number,
): string {
  const lines: string[] = [''];
  if (wrong.length === 0) {
    lines.push(
      `${colours.green('correct:')} ${count(checked)} random answers equal a brute-force search bit for bit`,
    );
  } else {
    lines.push(`${colours.red('WRONG:')} ${count(wrong.length)} of ${count(checked)} random answers`);
    for (const { pixel, device, expected } of wrong.slice(0, SHOWN_ROWS)) {
      lines.push(
        `  pixel ${pixel}: the device found point ${device.index} at ${device.distance}, ` +
          `brute force ${expected.index} at ${expected.distance}`,
      );
    }
  }
  const verdict = different === 0 ? 'all equal' : colours.red(`${count(different)} DIFFERENT`);
  lines.push(
    `         ${count(queries)} compared with JavaScript's search of the same tree: ${verdict} (seed ${seed})`,
  );
  return lines.join('\n');
}
