/**
 * Placement: where can these bytes go so that the host is free, every device is free and every device reaches
 * them; and if nowhere, exactly why, and which single change would help. Pure: it maps nothing and asks nobody.
 *
 * @module
 */

export { describeOccupied, describeRefusal, describeRemedy, refusalMessage } from './describe.ts';
export type { Hole } from './holes.ts';
export type { DeviceWindow, Occupied } from './occupied.ts';
export type { Blocker, Refusal } from './refusal.ts';
export { applyRemedy, type Remedy, type ResolvedRequest } from './remedies.ts';
export {
  checkRequest,
  type Place,
  type Placement,
  type PlacementRequest,
  type RequestContext,
} from './request.ts';
export { PlacementSpace, type PlacementSpaceOptions, type Plan } from './space.ts';
