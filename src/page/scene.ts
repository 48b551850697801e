/**
 * What a frame of the atlas is made of: the picture, the part of it that is on the screen, and what is pointed at, chosen or
 * happening. Types only.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import type { LiveResidence } from '../web/live-mirrors.ts';
import type { Palette } from './colours.ts';
import type { Screen } from './marks.ts';
import type { Column, Item, Picture } from './picture.ts';

export type Part = LiveResidence['parts'][number];

export interface SeenFault {
  readonly device: string;
  readonly address: number;
  readonly access: 'read' | 'write';
  readonly outcome: string;
  /** The launch fails. */
  readonly bad: boolean;
  /** When it came in, on the page's own clock. */
  readonly at: number;
}

export interface Scene {
  readonly picture: Picture;
  readonly screen: Screen;
  /** Pixels of the canvas, header and all. */
  readonly width: number;
  readonly palette: Palette;
  readonly faults: readonly SeenFault[];
  readonly now: number;
  readonly pointed: Item | undefined;
  readonly chosen: Range | undefined;
  /** Where the keyboard is, while it is in the atlas. */
  readonly focused: { readonly column: string; readonly range: Range } | undefined;
  /** Where a buffer was asked for. */
  readonly asked: (Range & { readonly ok: boolean }) | undefined;
  /** What of buffers is in memory, finer than the picture has it, where somebody looks closely. */
  readonly parts: readonly Part[];
}

export interface ColumnBox {
  readonly column: Column;
  readonly left: number;
  readonly right: number;
}
