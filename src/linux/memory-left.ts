/**
 * How much memory could be allocated now: what the machine has available, and what the limits of this process's
 * control groups leave, versions 1 and 2. The kernel answers an allocation beyond that by killing somebody, so who
 * wants an error asks first. An estimate: others allocate too. Reads files in /proc and /sys only.
 *
 * @module
 */
import { readFileSync } from 'node:fs';

export interface MemoryLeft {
  /** Bytes; Infinity where nothing is known. */
  readonly bytes: number;
  /** Whose limit it is, in words. */
  readonly of: string;
}

/** Gives a file's text; undefined where it can't be read. */
export type ReadText = (path: string) => string | undefined;

const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
};

/** The least that machine and control groups leave. */
export function memoryLeft(read: ReadText = readText): MemoryLeft {
  const info = read('/proc/meminfo') ?? '';
  const swap = field(info, 'SwapFree') * 1024;
  const available = field(info, 'MemAvailable') * 1024;
  let least: MemoryLeft = {
    bytes: available > 0 ? available + swap : Number.POSITIVE_INFINITY,
    of: 'this machine',
  };
  for (const group of controlGroups(read)) {
    const bytes = groupLeft(group, swap, read);
    if (bytes < least.bytes) least = { bytes, of: `control group ${group.path}` };
  }
  return least;
}

interface ControlGroup {
  readonly path: string;
  readonly folder: string;
  readonly version: 1 | 2;
}

/** The groups whose memory limits this process is under, from the innermost out. */
function controlGroups(read: ReadText): ControlGroup[] {
  const groups: ControlGroup[] = [];
  const mounts = (read('/proc/self/mountinfo') ?? '').split('\n');
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    // hierarchy:controllers:path, where version 2 has no controllers.
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (!match) continue;
    const version = match[1] === '' ? 2 : 1;
    if (version === 1 && !match[1]!.split(',').includes('memory')) continue;
    const mount = mounts.map((text) => mountOf(text, version)).find((found) => found !== undefined);
    if (!mount) continue;
    let path = match[2]!;
    if (mount.root !== '/' && !`${path}/`.startsWith(`${mount.root}/`)) continue;
    for (;;) {
      const below = mount.root === '/' ? path : path.slice(mount.root.length);
      groups.push({ path, folder: `${mount.point}${below === '/' ? '' : below}`, version });
      if (path === mount.root || path === '/') break;
      path = path.slice(0, path.lastIndexOf('/')) || '/';
    }
  }
  return groups;
}

/** Root and place of a mount of control groups: `36 35 98:0 ROOT POINT options - TYPE source super-options`. */
function mountOf(line: string, version: 1 | 2): { root: string; point: string } | undefined {
  const [before, after] = line.split(' - ');
  const [type, , options] = (after ?? '').split(' ');
  if (type !== (version === 2 ? 'cgroup2' : 'cgroup')) return undefined;
  if (version === 1 && !options?.split(',').includes('memory')) return undefined;
  const [, , , root, point] = before!.split(' ');
  return root && point ? { root, point } : undefined;
}

function groupLeft({ folder, version }: ControlGroup, swapFree: number, read: ReadText): number {
  const number = (name: string): number => {
    const text = read(`${folder}/${name}`)?.trim();
    return text === undefined || text === '' || text === 'max' ? Number.NaN : Number(text);
  };
  const limit = number(version === 2 ? 'memory.max' : 'memory.limit_in_bytes');
  // Version 1 says "unlimited" as a number near 2^63.
  if (!(limit < 2 ** 60)) return Number.POSITIVE_INFINITY;
  const used = number(version === 2 ? 'memory.current' : 'memory.usage_in_bytes');
  if (Number.isNaN(used)) return Number.POSITIVE_INFINITY;
  // Cached pages of files count as used, and go when there is need.
  const stat = read(`${folder}/memory.stat`) ?? '';
  const cached = field(stat, version === 2 ? 'inactive_file' : 'total_inactive_file');
  let swap = swapFree;
  if (version === 2 && swap > 0) {
    const most = number('memory.swap.max');
    if (!Number.isNaN(most)) swap = Math.max(0, Math.min(swap, most - number('memory.swap.current')));
  }
  return Math.max(0, limit - used + cached + swap);
}

/** The number in the line `name 123` or `name: 123 kB`; 0 where there is none. */
function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:?\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}
