/**
 * Memory that was mapped before the devices appeared, and that they don't reach where it lies: moved into their windows
 * by mremap, or copied into a buffer there. (`planEvacuation` of `mirrorspace/mm` plans the same on a model.)
 *
 * The move first takes the target with a mapping of the mirror's own, which replaces nothing, and then moves onto exactly
 * that one: mremap with MREMAP_FIXED unmaps what it finds at its target, whoever put it there meanwhile.
 *
 *     source    |######|              the caller's
 *     target              |......|    1. inaccessible, of the arena: nobody else can have such a mapping
 *                         |######|    2. mremap: the pages change their addresses, no byte is copied
 *
 * @module
 */
import { SVM, satisfies } from '../device/capabilities.ts';
import type { Device } from '../device/device.ts';
import { invalidType, outOfRange, PlacementError, SystemError } from '../errors.ts';
import { MAP_NORESERVE, MAP_SHARED, mmapNoReplace, mremap, munmap, PROT_NONE } from '../linux/mmap.ts';
import { readMaps } from '../linux/process-maps.ts';
import { copyMemory } from '../linux/process-vm.ts';
import { stackPointers } from '../linux/task.ts';
import type { Address, Range } from '../mm/address.ts';
import { parseMaps } from '../mm/parse-maps.ts';
import type { Vma } from '../mm/vma.ts';
import { type PlacementRequest, type PlacementSpace, refusalMessage } from '../placement/index.ts';
import { type AllocOptions, type CheckedAlloc, checkAllocOptions } from './alloc-options.ts';
import { requestOf } from './driver-place.ts';
import { checkCopyable, movableMapping } from './movable.ts';
import type { SvmBuffer } from './svm-buffer.ts';

const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
/** How often another thread may take the place that was found. */
const MOST_ATTEMPTS = 64;

/** How to evacuate; the others are those of `alloc`, and say where the memory goes. */
export interface EvacuateOptions extends Pick<AllocOptions, 'align' | 'devices' | 'place' | 'topdown'> {
  /**
   * `'mapping'` (default): the mapping itself moves, with its pages, protection and file; it stays the caller's. Devices
   * that reach any memory of the process reach it there. `'buffer'`: the bytes are copied into a buffer, which all
   * devices reach, and the mapping is unmapped.
   */
  readonly into?: 'mapping' | 'buffer';
  /** Of the buffer. */
  readonly name?: string;
}

/** Where memory lies now that was to be evacuated. */
export interface Evacuation extends Range {
  /** The same as `start`. */
  readonly address: Address;
  /** In bytes. */
  readonly size: number;
  /** Where it lay. If it has moved, nothing is mapped there any more: no pointer to it may be used. */
  readonly from: Range;
  /** False where it lay well already. */
  readonly moved: boolean;
  /**
   * The names of the devices that reach it now, at least for loads: `capabilities` and `systemCapabilities` say whether
   * they can store there as well.
   */
  readonly reachedBy: readonly string[];
  /** With `into: 'buffer'`. */
  readonly buffer: SvmBuffer | undefined;
}

/** What the mirror lends. */
export interface Evacuator {
  readonly mirror: {
    readonly devices: Readonly<Record<string, Device>>;
    alloc(size: number, options: AllocOptions): SvmBuffer;
  };
  readonly space: PlacementSpace;
  readonly arena: { readonly fd: number };
  /** Brings the space's picture of the process up to date. */
  refresh(): void;
}

/** See `Mirror.evacuate`. */
export function evacuate(on: Evacuator, range: Range, options: EvacuateOptions = {}): Evacuation {
  const { mirror, space } = on;
  const from = checkRange(range, space.pageSize);
  if (typeof options !== 'object' || options === null) throw invalidType('options', 'an object', options);
  const { into = 'mapping', ...where } = options;
  if (into !== 'mapping' && into !== 'buffer') throw outOfRange('into', "'mapping' or 'buffer'", into);
  const size = from.end - from.start;
  const names = Object.keys(mirror.devices);
  const checked = checkAllocOptions(size, { ...where, guard: 0 }, names, space.pageSize);

  on.refresh();
  // Placement checks the rest of the options, before anything is looked for.
  space.find(checked.request);
  const { vmas } = parseMaps(readMaps('self'));
  const mirrored = space.occupants(from).filter(({ kind }) => kind === 'buffer' || kind === 'quarantined');
  const vma = movableMapping(from, { vmas, stackPointers: stackPointers(), mirrored });

  if (into === 'buffer') {
    checkCopyable(vma, from);
    const buffer = copyIntoBuffer(mirror, from, where);
    const reachedBy = names.filter((_, i) => buffer.access[i] !== 'none');
    return { ...placed(buffer.address, from), moved: true, reachedBy, buffer };
  }
  const stays = !checked.driver && isWellPlaced(space, from, checked.request);
  const address = stays ? from.start : move(on, from, checked);
  const reachedBy = names.filter(
    (name) => reachesAnyMemory(mirror.devices[name]!) && reaches(space, name, address, size),
  );
  return { ...placed(address, from), moved: !stays, reachedBy, buffer: undefined };
}

function placed(address: Address, from: Range) {
  const size = from.end - from.start;
  return { address, size, start: address, end: address + size, from };
}

/** A device has one sort of memory, or says apart what it can do with that of no buffer. */
function reachesAnyMemory({ capabilities, systemCapabilities = 0 }: Device): boolean {
  return satisfies(capabilities | systemCapabilities, SVM.SYSTEM_ALLOCATED);
}

/** Whether a device's window holds all of it and the device keeps none of it for itself. */
function reaches(space: PlacementSpace, name: string, start: Address, size: number): boolean {
  const { window, reserved } = space.devices.find((device) => device.name === name)!;
  const end = start + size;
  return window.start <= start && end <= window.end && !reserved.some((r) => r.start < end && start < r.end);
}

/** Whether it need not move: every device asked for reaches it, and it is where and as the caller wants it. */
function isWellPlaced(space: PlacementSpace, { start, end }: Range, request: PlacementRequest): boolean {
  const { devices = space.devices.map(({ name }) => name), align = space.pageSize, place } = request;
  if (start % align !== 0 || !devices.every((name) => reaches(space, name, start, end - start))) return false;
  if (place === undefined) return true;
  if ('within' in place) return place.within[0] <= start && end <= place.within[1];
  return start === ('at' in place ? place.at : place.hint);
}

/** Moves the mapping to a place of its size; throws, with nothing changed, where there is none. */
function move({ space, arena, refresh }: Evacuator, { start, end }: Range, checked: CheckedAlloc): Address {
  const size = end - start;
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const plan = space.plan(requestOf(space, checked));
    if (!plan.ok) throw new PlacementError(refusalMessage(plan.refusal), plan.refusal);
    const { address } = plan.placement;
    if (mmapNoReplace(address, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE, arena.fd, address)) {
      try {
        // Onto the mapping just made, which nobody else knows of.
        mremap(start, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, address);
      } catch (error) {
        giveBack(address, size);
        throw error;
      }
      refresh();
      return address;
    }
    refresh();
  }
  throw new SystemError('mmap', [size], 'EEXIST', 'Other threads took every place that was found');
}

/** The target is taken back after a failed move, unless the kernel has unmapped it already: then others may be there. */
function giveBack(address: Address, size: number): void {
  let vmas: readonly Vma[] = [];
  try {
    ({ vmas } = parseMaps(readMaps('self')));
  } catch {
    // It can't be looked up now. What is left there keeps addresses, and no memory.
  }
  const ours = vmas.some(
    ({ start, end, offset, prot, name }) =>
      start <= address &&
      address + size <= end &&
      start === offset &&
      prot === PROT_NONE &&
      name.startsWith('/memfd:mirrorspace-'),
  );
  if (ours) munmap(address, size);
}

/** The bytes go into a buffer, through the kernel, which knows what can't be read; then the mapping goes. */
function copyIntoBuffer(
  mirror: Evacuator['mirror'],
  { start, end }: Range,
  options: AllocOptions,
): SvmBuffer {
  const size = end - start;
  const buffer = mirror.alloc(size, { ...options, commit: true });
  try {
    copyMemory(buffer.address, start, size);
    munmap(start, size);
  } catch (error) {
    buffer.free();
    throw error;
  }
  return buffer;
}

function checkRange(range: Range, pageSize: number): Range {
  if (typeof range !== 'object' || range === null)
    throw invalidType('range', 'an object { start, end }', range);
  const { start, end } = range;
  for (const [name, value] of Object.entries({ 'range.start': start, 'range.end': end })) {
    if (typeof value !== 'number') throw invalidType(name, 'a number', value);
    if (!Number.isSafeInteger(value) || value < 0)
      throw outOfRange(name, 'a safe integer of at least 0', value);
    if (value % pageSize !== 0) throw outOfRange(name, `a multiple of the page size (${pageSize})`, value);
  }
  if (end <= start) throw outOfRange('range.end', `above its start ${start}`, end);
  return { start, end };
}
