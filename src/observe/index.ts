/**
 * Seeing what mirrors do: typed events on `node:diagnostics_channel`, and the line of the program that caused each.
 *
 * @module mirrorspace/observe
 */
export type { Address, Range } from '../mm/address.ts';
export type { Placement, Refusal } from '../placement/index.ts';
export { channelName, EVENT_NAMES, subscribe } from './channels.ts';
export type * from './events.ts';
export { recordSites } from './sites.ts';
