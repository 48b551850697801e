/**
 * How many mappings Linux lets a process have (vm.max_map_count).
 *
 * @module
 */
import { readFileSync } from 'node:fs';

const DEFAULT = 65530;

export function mapLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'));
  } catch {
    return DEFAULT;
  }
}
