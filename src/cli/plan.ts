/**
 * `mirrorspace plan`: where a buffer would go, so that a process has nothing there and every device reaches it and keeps
 * nothing there; or exactly why there is no such place, and which change would help.
 *
 * @module
 */
import { Command, Option } from 'commander';
import { formatBytes, hex, type Range } from 'mirrorspace/mm';
import {
  describeRefusal,
  type Occupied,
  type Placement,
  type PlacementRequest,
  PlacementSpace,
} from 'mirrorspace/placement';
import { hostLimit, pageSize, readFile, readProcess, type Source } from './address-space.ts';
import {
  addReserved,
  addWindow,
  type DeviceArgument,
  parseBytes,
  parsePid,
  parseRange,
} from './arguments.ts';
import { colours, plain, say, sayJson, UsageFailure } from './output.ts';
import { linuxPlace } from './plan-linux.ts';

const FILE_PAGE = 4096;

interface Options {
  readonly size: number;
  readonly align?: number;
  readonly guard?: number;
  readonly at?: number;
  readonly within?: Range;
  readonly pid?: number;
  readonly maps?: string;
  readonly topdown?: true;
  readonly fit: 'linux' | 'exact';
  readonly json?: true;
}

export function planCommand(): Command {
  // In the order in which they come: a reserved region is of the window before it.
  let devices: DeviceArgument[] = [];
  const window = (text: string): void => {
    devices = addWindow(text, devices);
  };
  const reserved = (text: string): void => {
    devices = addReserved(text, devices);
  };
  return new Command('plan')
    .summary('where would a buffer go, and if nowhere, why')
    .description(
      'Searches for a place for a buffer that a process and its devices share, and allocates nothing. Exit code 0: there is one; 1: there is none, with the reasons and what would help.',
    )
    .requiredOption('-s, --size <bytes>', 'of the buffer: 64M, 4096, 0x1000, 1.5G', parseBytes)
    .option('-a, --align <bytes>', 'a power of two; a page by default', parseBytes)
    .option('-g, --guard <bytes>', 'to be kept free behind it', parseBytes)
    .option(
      '-w, --window <[name=]low:high>',
      'what a device reaches; repeatable: all must reach the buffer',
      window,
    )
    .option(
      '-r, --reserved <[name=]low:high>',
      'what the device of the --window before it keeps for itself; repeatable',
      reserved,
    )
    .option('--at <address>', 'exactly there', parseBytes)
    .option('--within <low:high>', 'in there only', parseRange)
    .option('--pid <pid>', 'the process; this very one (a bare Node.js) by default', parsePid)
    .option('--maps <file>', 'the text of a /proc/PID/maps, kept in a file, in place of a process')
    .option('--topdown', 'the highest place, not the lowest')
    .addOption(
      new Option(
        '--fit <which>',
        "the search: 'exact' finds a place whenever there is one; 'linux' is the kernel's",
      )
        .choices(['exact', 'linux'])
        .default('exact'),
    )
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ mirrorspace plan --size 64M --align 2M --window 0x10000:4G
  $ mirrorspace plan --size 1G -w gpu=0:64G -w npu=4G:8G --reserved firmware=4G:5G --pid 4242
  $ mirrorspace plan --size 3G --window 0:4G --maps saved.maps --topdown --json`,
    )
    .action((options: Options) => run(options, devices));
}

function run(options: Options, devices: readonly DeviceArgument[]): void {
  if (options.pid !== undefined && options.maps !== undefined)
    throw new UsageFailure('--pid or --maps, not both');
  if (options.at !== undefined && options.within !== undefined)
    throw new UsageFailure('--at or --within, not both');
  if (options.fit === 'linux' && (options.at !== undefined || options.guard !== undefined))
    throw new UsageFailure("--fit linux: the kernel's search has no --at and no --guard");
  const live = options.maps === undefined;
  const source = live ? readProcess(options.pid ?? process.pid) : readFile(options.maps!);
  const page = live ? pageSize() : FILE_PAGE;
  const space = checked(
    () =>
      new PlacementSpace({ pageSize: page, limit: hostLimit(page, live), devices, host: occupants(source) }),
  );
  const request: PlacementRequest = {
    size: options.size,
    ...(options.align === undefined ? {} : { align: options.align }),
    ...(options.guard === undefined ? {} : { guard: options.guard }),
    topdown: options.topdown ?? false,
    ...place(options),
  };
  const plan = checked(() => space.plan(request));
  const answer = { source: source.file ?? { pid: source.pid! }, fit: options.fit };
  if (!plan.ok) {
    process.exitCode = 1;
    if (options.json) sayJson({ ok: false, ...answer, refusal: plan.refusal });
    else say(`${colours().dim(`${source.title}:`)}\n${describeRefusal(plan.refusal)}`);
    return;
  }
  let { placement } = plan;
  if (options.fit === 'linux') {
    const address = linuxPlace({
      vmas: source.maps.vmas,
      reserved: devices.flatMap((device) => device.reserved),
      window: placement.window,
      size: placement.size,
      align: placement.align,
      topdown: options.topdown ?? false,
      pageSize: page,
    });
    if (address === undefined) {
      process.exitCode = 1;
      if (options.json) sayJson({ ok: false, ...answer, exact: placement });
      else say(describeMiss(source, placement, page));
      return;
    }
    placement = { ...placement, address };
  }
  const hole = holeAt(space, placement);
  if (options.json) sayJson({ ok: true, ...answer, placement, hole });
  else say(describePlace(source, space, placement, hole, options.fit).join('\n'));
}

function place({ at, within }: Options): Pick<PlacementRequest, 'place'> {
  if (at !== undefined) return { place: { at } };
  return within === undefined ? {} : { place: { within: [within.start, within.end] } };
}

/** What the library takes for a bad argument is one of the command line. */
function checked<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw new UsageFailure(error.message);
    throw error;
  }
}

function occupants({ maps }: Source): Occupied[] {
  return maps.vmas
    .filter(({ end }) => end <= 2 ** 52)
    .map(({ start, end, name }) => ({
      start,
      end,
      kind: 'vma',
      owner: 'host',
      name: plain(name) || 'anonymous memory',
    }));
}

/** The free range of the window that the place lies in. */
function holeAt(space: PlacementSpace, { address, size, window }: Placement): Range {
  const below = space
    .occupants({ start: window.start, end: address + size })
    .filter(({ end }) => end <= address);
  const start = below.reduce((highest, { end }) => Math.max(highest, end), window.start);
  const above =
    address + size < window.end ? space.occupants({ start: address + size, end: window.end }) : [];
  return { start, end: Math.min(window.end, above[0]?.start ?? window.end) };
}

function describePlace(
  { title }: Source,
  space: PlacementSpace,
  { address, size, align, window, guard }: Placement,
  hole: Range,
  fit: Options['fit'],
): string[] {
  const { bold, green, dim } = colours();
  const next = (start: number, end: number) => (start < end ? space.occupants({ start, end })[0] : undefined);
  const below = next(hole.start - 1, hole.start);
  const above = next(hole.end, hole.end + 1);
  const reach = space.windows.map(({ name }) => name).join(', ');
  const lines = [
    `${green(bold(`${formatBytes(size)} fit at ${hex(address)}-${hex(address + size)}`))} ${dim(`in ${title}`)}`,
    `  alignment  ${formatBytes(align)}`,
    `  searched   ${span(window)}, what all reach: ${reach}`,
    `  hole       ${span(hole)}`,
    `  below      ${below ? nameOf(below) : 'the beginning of the window'}`,
    `  above      ${above ? nameOf(above) : 'the end of the window'}`,
    `  search     ${fit === 'exact' ? 'exact' : "Linux's vm_unmapped_area()"}`,
  ];
  if (guard > 0) lines.splice(2, 0, `  guard      ${formatBytes(guard)} behind it`);
  return lines;
}

function describeMiss({ title }: Source, { address, size, align }: Placement, page: number): string {
  const padded = size + (align > page ? align : 0);
  return `${title}:
Linux's search finds no place for ${formatBytes(size)} aligned to ${formatBytes(align)}, though there is one: it wants
a hole of ${formatBytes(padded)}, the size and the alignment together, and keeps its distance from stacks.

Any one of these changes makes it fit:
  - an exact search (--fit exact) fits at ${hex(address)}`;
}

function span({ start, end }: Range): string {
  return `${hex(start)}-${hex(end)} (${formatBytes(end - start)})`;
}

function nameOf({ name, kind, owner }: Occupied): string {
  return kind === 'reserved' ? `${name} (reserved by ${owner})` : name;
}
