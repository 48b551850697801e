/**
 * What a device's process makes for system SVM when it starts: a userfaultfd for copies of host memory, the memory that
 * it shares with the host's pager, and that pager's bell. The host takes the descriptors from it.
 *
 * @module
 */
import type { PacketFailure } from '../../../engine/completion.ts';
import { SharedMemory } from '../../../engine/shared-memory.ts';
import { eventfd } from '../../../linux/process.ts';
import {
  openUserfaultfd,
  UFFD_FEATURE_EXACT_ADDRESS,
  UFFD_FEATURE_THREAD_ID,
} from '../../../linux/userfaultfd.ts';
import type { CoreData, PagerData } from '../child-messages.ts';
import { AREA_BYTES, AREA_NAME } from './area.ts';
import { initializeArea } from './gate.ts';
import type { SystemDescriptors } from './messages.ts';
import { Requests } from './requests.ts';

export class SystemSetup {
  readonly userfaultfd = openUserfaultfd(UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EXACT_ADDRESS);
  readonly #area = SharedMemory.create(AREA_NAME, AREA_BYTES);
  readonly #bell = eventfd();

  constructor() {
    initializeArea(this.#area);
  }

  get descriptors(): SystemDescriptors {
    return { userfaultfd: this.userfaultfd, area: this.#area.fd, bell: this.#bell };
  }

  /** For the main thread, which ends packets of cores that are no more. */
  release(): PacketFailure | undefined {
    return new Requests({ area: this.#area, bell: this.#bell }).release(0);
  }

  forCores(logSegments: number): Pick<CoreData, 'system'> {
    return { system: { area: this.#area.address, bell: this.#bell, logSegments } };
  }

  forPager(): Pick<PagerData, 'system'> {
    return { system: { userfaultfd: this.userfaultfd, area: this.#area.address } };
  }
}
