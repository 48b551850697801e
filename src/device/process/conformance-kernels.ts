/**
 * The conformance suite's kernels as a module of the process device.
 *
 * @module
 */
import { kernelsOver } from '../conformance/kernels.ts';
import { view } from './kernel/index.ts';

export const {
  append,
  awaitWord,
  checkBytes,
  countItems,
  countNodes,
  createLinkedLists,
  expectByte,
  fail,
  increment,
  incrementThree,
  insertNodes,
  loadWord,
  produce,
  recordChunks,
  spin,
  storeArguments,
  storeWord,
  verifyLinkedLists,
  writeBytes,
} = kernelsOver({ view });
