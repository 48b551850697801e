/**
 * What a buffer costs: `mirror.alloc` and `free` of 1 MiB without a view, beside bare mmap and munmap of as much
 * shared memory through the same foreign function interface.
 *
 * @module
 */
import { MiB, openMirror, wasmDevice } from '../dist/index.js';
import { close, ftruncate, memfdCreate } from '../src/linux/memfd.ts';
import { MAP_SHARED, mmap, munmap, PROT_READ, PROT_WRITE } from '../src/linux/mmap.ts';
import { beside, nanoseconds, type Row, rounded } from './rows.ts';

/** In a quick run too: fewer would be measured before V8 has compiled either side. */
const OPERATIONS = 5000;

export async function allocation(): Promise<Row[]> {
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  const fd = memfdCreate('bench');
  ftruncate(fd, 1 * MiB);
  try {
    const bare = (): void => {
      for (let i = 0; i < OPERATIONS; i++)
        munmap(mmap(0, 1 * MiB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), 1 * MiB);
    };
    const ours = (): void => {
      for (let i = 0; i < OPERATIONS; i++) mirror.alloc(1 * MiB).free();
    };
    const row = {
      group: 'allocation',
      what: 'alloc + free, 1 MiB, no view',
      unit: 'ns',
      ours: rounded(nanoseconds(OPERATIONS, ours)),
      target: 'at most 2x the peer',
    };
    const rows = [beside(row, 'mmap + munmap through the same FFI', nanoseconds(OPERATIONS, bare))];
    const many = Array.from({ length: 1000 }, () => mirror.alloc(64 * 1024));
    const { target: _none, ...plain } = row;
    const crowded = {
      ...plain,
      what: 'the same among 1,000 live buffers',
      ours: rounded(nanoseconds(OPERATIONS, ours)),
    };
    rows.push(beside(crowded, 'mmap + munmap through the same FFI', nanoseconds(OPERATIONS, bare)));
    for (const buffer of many) buffer.free();
    return rows;
  } finally {
    close(fd);
    await mirror.close();
  }
}
