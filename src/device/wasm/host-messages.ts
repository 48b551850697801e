/**
 * What the host tells a wasm device's process. Types only, and apart from those between its threads: these are part of
 * the package's public declarations, which must not name the WebAssembly types that Node's own lack.
 *
 * @module
 */
import type { FaultMode } from '../option-checks.ts';

/** What a device process is started with. */
export interface DeviceInit {
  readonly cores: number;
  /** Bytes of scratch memory for each core. */
  readonly scratch: number;
  readonly logSegments: number;
  readonly faults: FaultMode;
}

/** A program as the host sends it: the module without its static data, and the data to place. */
export interface LoadRequest {
  readonly type: 'load';
  readonly program: number;
  readonly module: Uint8Array<ArrayBuffer>;
  readonly segments: readonly { readonly address: number; readonly bytes: Uint8Array }[];
  readonly kernels: readonly { readonly id: number; readonly name: string }[];
}
