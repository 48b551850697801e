/**
 * Both canvases at the size in which they are shown: scenes for them, frames, and what is at a point.
 *
 * @module
 */
import { drawAtlas, HEADER, hit } from './atlas.ts';
import type { Palette } from './colours.ts';
import type { Screen } from './marks.ts';
import type { Point } from './pointing.ts';
import type { Scene } from './scene.ts';
import { drawTimeline, type TimelineScene } from './timeline-canvas.ts';

type Look = Pick<Screen, 'axis' | 'viewport'>;
type Happening = Pick<TimelineScene, 'commands' | 'now' | 'chosen'>;

export class Canvases {
  readonly atlas: HTMLCanvasElement;
  readonly timeline: HTMLCanvasElement;

  constructor(atlas: HTMLCanvasElement, timeline: HTMLCanvasElement) {
    this.atlas = atlas;
    this.timeline = timeline;
  }

  scene(
    state: Omit<Scene, 'screen' | 'width' | 'pointed'> & {
      readonly look: Look;
      readonly pointer?: Point | undefined;
    },
  ): Scene {
    const { look, pointer, ...rest } = state;
    const { width, height } = this.atlas.getBoundingClientRect();
    const screen = { ...look, height: Math.max(1, height - HEADER) };
    const scene = { ...rest, screen, width, pointed: undefined };
    return pointer ? { ...scene, pointed: hit(scene, pointer.x, pointer.y)?.item } : scene;
  }

  hit(scene: Scene, { x, y }: Point): ReturnType<typeof hit> {
    return hit(scene, x, y);
  }

  draw(scene: Scene | undefined, happening: Happening, palette: Palette): void {
    const [width, height] = fitted(this.atlas);
    const context = this.atlas.getContext('2d')!;
    if (scene) drawAtlas(context, scene);
    else {
      context.fillStyle = palette.background;
      context.fillRect(0, 0, width, height);
    }
    const [wide, high] = fitted(this.timeline);
    drawTimeline(this.timeline.getContext('2d')!, { ...happening, width: wide, height: high, palette });
  }
}

/** The canvas as large as it is shown, in the screen's own pixels. Gives CSS pixels. */
function fitted(canvas: HTMLCanvasElement): [number, number] {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = devicePixelRatio;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  canvas.getContext('2d')!.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [width, height];
}
