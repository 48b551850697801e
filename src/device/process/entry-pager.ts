/**
 * The pager thread of a process device's process: addresses of the device are those of its process.
 *
 * @module
 */
import { servePager } from '../../engine/serve-pager.ts';

void servePager(() => ({ base: 0, limit: 2 ** 47 }));
