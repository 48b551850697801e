import type { Pointer, Scalar, Struct } from 'mirrorspace/layout';

type U32 = Scalar<'u32', number>;

export const Airport: Struct<'Airport', { readonly routes: Pointer; readonly index: U32 }>;
export const Route: Struct<'Route', { readonly to: Pointer; readonly next: Pointer; readonly metres: U32 }>;
export const Way: Struct<
  'Way',
  { readonly via: Pointer; readonly behind: Pointer; readonly metres: U32; readonly queued: U32 }
>;
export const Answer: Struct<
  'Answer',
  {
    readonly origin: Pointer;
    readonly farthest: Pointer;
    readonly metres: U32;
    readonly flights: U32;
    readonly reached: U32;
  }
>;
export const FAR: number;
