/**
 * What the process device loads.
 *
 * @module
 */
import { memory } from 'mirrorspace/kernel';
import { shortest as follow } from './shortest.js';

export function shortest(begin, end, answers, ways, airports) {
  follow(memory, begin, end, answers, ways, airports);
}
