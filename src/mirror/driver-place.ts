/**
 * The address policy of a driver on live memory: the `fileOperations` that `mirrorspace/mm` calls on its model are asked
 * about the process as it is. The model is made from the placement's picture: the mappings of the process, the regions
 * that devices keep for themselves, buffers, freed ranges that are not safe to use yet. The driver searches in it as
 * Linux drivers search in `mm`, and its answer is checked as the kernel checks it, and for overlap.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';
import { type Address, alignDown, alignUp, type Range } from '../mm/address.ts';
import { AddressSpace } from '../mm/address-space.ts';
import type { FileOperations } from '../mm/driver.ts';
import { VM_GROWSDOWN, VmArea } from '../mm/vm-area.ts';
import { MAP_SHARED, PROT_READ, PROT_WRITE } from '../mm/vma.ts';
import type { PlacementRequest, PlacementSpace } from '../placement/index.ts';
import type { CheckedAlloc } from './alloc-options.ts';

/** Where a driver says. */
export interface DriverPlace {
  /**
   * Asked as for an mmap of its file with MAP_SHARED: `getUnmappedArea` for the address, then `mmap` about the new VMA,
   * which refuses it by throwing; bits that it answers are of no effect here. Asked again where another thread was
   * faster, and `mmap` not by `plan`.
   */
  readonly driver: FileOperations;
  /** What the driver is told as the caller's hint; 0, none, by default. */
  readonly hint?: Address;
}

/** @throws TypeError, RangeError */
export function checkDriverPlace(place: DriverPlace): DriverPlace {
  const { driver, hint = 0 } = place;
  if (typeof driver?.getUnmappedArea !== 'function')
    throw invalidType('place.driver', 'an object with a method getUnmappedArea', driver);
  if (typeof hint !== 'number') throw invalidType('place.hint', 'a number', hint);
  if (!Number.isSafeInteger(hint) || hint < 0) throw outOfRange('place.hint', 'an address, 0 or more', hint);
  return { driver, hint };
}

/**
 * What is to be placed, at the address that the driver has chosen where one is to be asked. Its `mmap` is not asked where
 * it is but planned.
 *
 * @throws SystemError `ENOMEM` where the driver has no address, `EINVAL`, `EPERM`, `EEXIST` where its answer is no good;
 * and what the driver throws. Nothing has changed.
 */
export function requestOf(space: PlacementSpace, checked: CheckedAlloc, planned = false): PlacementRequest {
  const { request, driver: place, name = '' } = checked;
  if (!place) return request;
  const model = modelOf(space);
  const asked = {
    address: place.hint ?? 0,
    length: request.size,
    prot: PROT_READ | PROT_WRITE,
    flags: MAP_SHARED,
    file: { name, fileOperations: place.driver },
  };
  const at = planned ? model.getUnmappedArea(asked) : model.mmap(asked);
  return { ...request, place: { at } };
}

function modelOf(space: PlacementSpace): AddressSpace {
  const { pageSize, limit } = space;
  const model = new AddressSpace({
    pageSize,
    taskSize: limit.end,
    mmapMinAddr: limit.start,
    maxMapCount: 2 ** 31 - 1,
  });
  const vmas: VmArea[] = [];
  let covered = 0;
  for (const { start, end, name, owner, kind } of space.occupants(limit)) {
    const range: Range = {
      start: Math.max(covered, alignDown(start, pageSize)),
      end: Math.min(limit.end, alignUp(end, pageSize)),
    };
    if (range.end <= range.start) continue;
    const vmFlags = name === '[stack]' ? VM_GROWSDOWN : 0;
    const title = kind === 'reserved' ? `${name} (${owner})` : name;
    const of = {
      vmFlags,
      file: undefined,
      pageOffset: range.start / pageSize,
      name: title,
      anonVma: undefined,
    };
    vmas.push(new VmArea(range.start, range.end, of, pageSize));
    covered = range.end;
  }
  model.restore({ vmas, brk: undefined });
  return model;
}
