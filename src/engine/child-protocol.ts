/**
 * What a host and a device process agree on beside shared memory: the descriptors that the process is given, and the
 * form of the messages on Node's channel. A leaf, so that a device process starts without the host's half.
 *
 * @module
 */

/** Descriptors by number in the device process. */
export const CHILD_FD = { ARENA: 3, CONTROL: 4, LOG: 5, WAKE: 6, KICK: 7 } as const;

/** What the host asks of a device process, and what it answers. */
export type DeviceRequest = { readonly type: string } & Record<string, unknown>;
export type DeviceReply =
  | { readonly id: number; readonly ok: true; readonly value?: unknown }
  | { readonly id: number; readonly ok: false; readonly error: RemoteError };

/** An error that crosses the channel: which class, and its words. */
export interface RemoteError {
  readonly kind: 'program' | 'unsupported' | 'other';
  readonly reason: string;
  readonly message: string;
  readonly errno?: string;
}
