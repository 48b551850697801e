/**
 * What a frame of the atlas is made of: the picture, the part of it that is on the screen, and what is pointed at, chosen or
 * happening. Types only.
 *
 * @module
 */
import type { Palette } from './colours.ts';
import type { Screen } from './marks.ts';
import type { Column, Item, Picture } from './picture.ts';

export interface SeenFault {
  readonly device: string;
  readonly address: number;
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
  readonly chosen: { readonly start: number; readonly end: number } | undefined;
}

export interface ColumnBox {
  readonly column: Column;
  readonly left: number;
  readonly right: number;
}
