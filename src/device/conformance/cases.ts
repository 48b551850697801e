/**
 * All cases of the suite, in the order in which they run.
 *
 * @module
 */
import type { ContractCase, SvmCase } from './case.ts';
import { failing, readOnly, silent, stops, wild } from './contract/failures.ts';
import { capabilities, identity } from './contract/identity.ts';
import { argumentKinds, chunks, counters, items, refusals, workGroups } from './contract/launches.ts';
import { close, loss } from './contract/lifetime.ts';
import { mapsInOrder, ownership } from './contract/ownership.ts';
import {
  barriers,
  blocking,
  dependencies,
  drains,
  kinds,
  order,
  several,
  status,
  takenBack,
} from './contract/queues.ts';
import { freed, reserved, window } from './contract/window.ts';
import { allocateSharedBuffer } from './svm/allocate-shared-buffer.ts';
import { allocateSharedBufferNegative } from './svm/allocate-shared-buffer-negative.ts';
import { byteGranularity } from './svm/byte-granularity.ts';
import { chains } from './svm/chains.ts';
import { enqueueCopy, enqueueFill, enqueueGated } from './svm/enqueue-api.ts';
import { enqueueFree, enqueueHostCopy } from './svm/enqueue-host.ts';
import { execInfoPointers } from './svm/exec-info-pointers.ts';
import { fineGrainMemoryConsistency } from './svm/fine-grain-memory-consistency.ts';
import { fineGrainSyncBuffers } from './svm/fine-grain-sync-buffers.ts';
import {
  coarseGrainNewApi,
  coarseGrainOldApi,
  crossBufferPointers,
  crossBufferPointersCoarse,
  fineGrainBuffers,
} from './svm/linked-lists.ts';
import { memcpyOverlap } from './svm/memcpy-overlap.ts';
import { migrate } from './svm/migrate.ts';
import { pointerPassing } from './svm/pointer-passing.ts';
import { sharedSubBuffers } from './svm/sub-buffers.ts';
import { fineGrainSystem } from './svm/system.ts';

/** About each device, and the interface that mirrors and users know. */
export const CONTRACT_CASES: readonly ContractCase[] = [
  ...[identity, capabilities, window, reserved, freed],
  ...[items, chunks, workGroups, argumentKinds, refusals, counters],
  ...[order, kinds, status, blocking, several, dependencies, barriers, takenBack, drains],
  ...[ownership, mapsInOrder],
  ...[failing, silent, wild, readOnly, stops, loss, close],
];

/** About memory that host and devices share: the OpenCL conformance tests of SVM, and chains over all sides. */
export const SVM_CASES: readonly SvmCase[] = [
  ...[allocateSharedBuffer, allocateSharedBufferNegative],
  byteGranularity,
  ...[crossBufferPointersCoarse, crossBufferPointers],
  ...[enqueueFill, enqueueCopy, enqueueHostCopy, enqueueGated, enqueueFree],
  ...([1, 2, 29] as const).map(fineGrainMemoryConsistency),
  fineGrainSyncBuffers,
  ...[migrate, memcpyOverlap],
  pointerPassing,
  execInfoPointers,
  ...[coarseGrainOldApi, coarseGrainNewApi],
  ...[fineGrainSystem, fineGrainBuffers],
  sharedSubBuffers,
  chains,
];
