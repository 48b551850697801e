/**
 * What the live page shows, over HTTP: pictures of this thread's mirrors and their events, to this machine only.
 *
 * @module mirrorspace/serve
 */
export type { LivePlan, LiveSnapshot } from './live-mirrors.ts';
export { type LiveServer, type ServeOptions, serve } from './server.ts';
