/**
 * Finding a place and mapping it. The picture that is searched may be older than the process: mapping replaces nothing,
 * and where another thread was faster the picture is read again. Before anything is refused, devices get a moment to let
 * go of freed ranges.
 *
 * @module
 */
import type { AttachedDevice } from '../device/device.ts';
import { PlacementError, SystemError } from '../errors.ts';
import {
  type Placement,
  type PlacementRequest,
  type PlacementSpace,
  type Refusal,
  refusalMessage,
} from '../placement/index.ts';
import type { CheckedAlloc } from './alloc-options.ts';
import type { BufferMemory } from './buffer-memory.ts';
import { requestOf } from './driver-place.ts';
import type { FreedRanges } from './freed-ranges.ts';
import { readHostPicture } from './host-picture.ts';

/** How often another thread may be faster before `alloc` gives up. */
const MOST_ATTEMPTS = 64;
/** How long a refusal waits, in milliseconds, for devices to let go of freed ranges. */
const PATIENCE = 50;

export class Placer {
  readonly #space: PlacementSpace;
  readonly #memory: BufferMemory;
  readonly #freed: FreedRanges;
  readonly #attached: readonly AttachedDevice[];

  constructor(
    space: PlacementSpace,
    memory: BufferMemory,
    freed: FreedRanges,
    attached: readonly AttachedDevice[],
  ) {
    this.#space = space;
    this.#memory = memory;
    this.#freed = freed;
    this.#attached = attached;
  }

  /** Reads afresh what is mapped in this process, and in those that have attached. */
  look(): void {
    const { sharing } = this.#freed;
    this.#space.setHost(sharing ? [...readHostPicture(), ...sharing.occupied()] : readHostPicture());
  }

  /** Finds a place and maps it. The picture of the process may be old: it is read again before anything is refused. */
  place(checked: CheckedAlloc): Placement {
    let fresh = false;
    const { sharing } = this.#freed;
    if (checked.driver || sharing?.stale) this.look();
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const request = requestOf(this.#space, checked);
      const placement = sharing?.find(this.#space, request) ?? this.#space.find(request);
      if (placement && this.#map(placement, checked)) return placement;
      if (!placement && fresh && !this.#freed.release(true) && !this.#waitForDevices()) this.#refuse(request);
      this.look();
      fresh = true;
    }
    throw new SystemError(
      'mmap',
      [checked.request.size],
      'EEXIST',
      'Other threads took every place that was found',
    );
  }

  /** Maps; where there is no room for a mapping, once more after those have gone that nobody needs. */
  #map({ address, size }: Placement, checked: CheckedAlloc): boolean {
    try {
      return this.#memory.map(address, size, checked);
    } catch (error) {
      const full = error instanceof SystemError && error.errno === 'ENOMEM' && error.syscall === 'mmap';
      if (!full || !this.#freed.release(true)) throw error;
      return this.#memory.map(address, size, checked);
    }
  }

  #refuse(request: PlacementRequest): never {
    const plan = this.#space.plan(request);
    if (plan.ok)
      throw new SystemError(
        'mmap',
        [request.size],
        'EAGAIN',
        'The address space changed while it was searched',
      );
    throw new PlacementError<Refusal>(refusalMessage(plan.refusal), plan.refusal);
  }

  /** Gives devices a moment to acknowledge freed ranges; true where some could be released. */
  #waitForDevices(): boolean {
    const word = new Int32Array(new SharedArrayBuffer(4));
    for (let waited = 0; waited < PATIENCE && this.#freed.waitsForDevices; waited++) {
      for (const { port } of this.#attached) port.nudge();
      this.#freed.sharing?.nudge();
      if (this.#freed.release()) return true;
      Atomics.wait(word, 0, 0, 1);
    }
    return false;
  }
}
