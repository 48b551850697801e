/**
 * What /proc/PID/smaps says of huge pages; proc_pid_smaps(5). Pure.
 *
 * @module
 */
import type { Range } from './address.ts';

export interface SmapsEntry extends Range {
  /** Bytes that are mapped by huge pages: AnonHugePages, ShmemPmdMapped and FilePmdMapped together. */
  readonly huge: number;
}

/** The mappings by address. Lines that are neither a mapping's nor one of those three are passed over. */
export function parseSmaps(text: string): SmapsEntry[] {
  const entries: { start: number; end: number; huge: number }[] = [];
  for (const line of text.split('\n')) {
    const range = /^([0-9a-f]+)-([0-9a-f]+) /.exec(line);
    if (range) {
      entries.push({ start: Number.parseInt(range[1]!, 16), end: Number.parseInt(range[2]!, 16), huge: 0 });
      continue;
    }
    const huge = /^(?:AnonHugePages|ShmemPmdMapped|FilePmdMapped): +(\d+) kB$/.exec(line);
    const last = entries.at(-1);
    if (huge && last) last.huge += Number(huge[1]) * 1024;
  }
  return entries;
}
