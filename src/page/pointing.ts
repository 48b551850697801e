/**
 * The pointer over the atlas: hovering, clicking, dragging and the wheel, as what they mean.
 *
 * @module
 */
import { HEADER } from './atlas.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Pointing {
  /** Undefined where the pointer has left. */
  hover(at: Point | undefined): void;
  click(at: Point): void;
  closer(): void;
  /** By a share of the height. */
  pan(share: number): void;
  /** About a point at a share of the height. */
  zoom(factor: number, share: number): void;
}

/** Pixels that a click may move. */
const STEADY = 4;

export function onPointer(atlas: HTMLElement, pointing: Pointing): void {
  const point = (event: MouseEvent): Point => {
    const box = atlas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const height = (): number => Math.max(1, atlas.clientHeight - HEADER);
  let pressed: number | undefined;
  atlas.addEventListener('pointerdown', (event) => {
    pressed = event.clientY;
    atlas.setPointerCapture(event.pointerId);
  });
  atlas.addEventListener('pointerup', (event) => {
    if (pressed !== undefined && Math.abs(event.clientY - pressed) < STEADY) pointing.click(point(event));
    pressed = undefined;
  });
  atlas.addEventListener('pointermove', (event) => {
    if (pressed !== undefined && event.buttons === 1 && event.movementY !== 0)
      pointing.pan(-event.movementY / height());
    pointing.hover(point(event));
  });
  atlas.addEventListener('pointerleave', () => pointing.hover(undefined));
  atlas.addEventListener('dblclick', () => pointing.closer());
  atlas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const share = Math.min(1, Math.max(0, (event.offsetY - HEADER) / height()));
      if (event.shiftKey) pointing.pan((event.deltaY || event.deltaX) / height());
      else pointing.zoom(1.0018 ** (event.deltaY * (event.deltaMode === 1 ? 16 : 1)), share);
    },
    { passive: false },
  );
}
