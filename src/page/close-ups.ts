/**
 * Which pages of a buffer are in memory, where somebody looks closer than the picture knows: asked for as long as that is on
 * the screen, one buffer at a time.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import { addressAt, marksOf, pixelOf, type Screen } from './marks.ts';
import type { Picture } from './picture.ts';
import type { Part } from './scene.ts';

/** Pixels of a stretch from which on it is worth a closer look. */
const WORTH = 6;
/** Milliseconds for which an answer is good. */
const GOOD = 1000;

/** What is seen of the buffer whose stretches look longest; undefined where each is a page, or too small to matter. */
export function neededOf(picture: Picture, screen: Screen): Range | undefined {
  const [low, high] = [addressAt(screen, 0), addressAt(screen, screen.height)];
  let best: { readonly range: Range; readonly pixels: number } | undefined;
  for (const { item, count } of marksOf(picture.columns[0]!.items, screen)) {
    if (!item.buffer || count > 1) continue;
    const { start, end, residence } = item.buffer;
    const each = (end - start) / residence.length;
    const pixels = (pixelOf(screen, end) - pixelOf(screen, start)) / residence.length;
    const range = { start: Math.max(start, low), end: Math.min(end, high) };
    if (each <= picture.snapshot.pageSize || pixels < WORTH || range.start >= range.end) continue;
    if (!best || pixels > best.pixels) best = { range, pixels };
  }
  return best?.range;
}

export class CloseUps {
  parts: readonly Part[] = [];
  readonly #ask: (range: Range) => Promise<readonly Part[]>;
  readonly #changed: () => void;
  #asked: Range | undefined;
  #at = Number.NEGATIVE_INFINITY;
  #asking = false;

  constructor(ask: (range: Range) => Promise<readonly Part[]>, changed: () => void) {
    this.#ask = ask;
    this.#changed = changed;
  }

  /** That is on the screen now. */
  look(picture: Picture, screen: Screen, now: number): void {
    const need = neededOf(picture, screen);
    if (!need) {
      this.parts = [];
      this.#asked = undefined;
      return;
    }
    const length = need.end - need.start;
    const asked = this.#asked;
    const covered =
      asked && asked.start <= need.start && need.end <= asked.end && asked.end - asked.start <= 4 * length;
    if (this.#asking || (covered && now - this.#at < GOOD)) return;
    const { pageSize } = picture.snapshot;
    // With as much around it as makes a step up or down need no other.
    this.#asked = {
      start: Math.max(0, Math.floor((need.start - length / 2) / pageSize) * pageSize),
      end: Math.ceil((need.end + length / 2) / pageSize) * pageSize,
    };
    this.#at = now;
    void this.#send(this.#asked);
  }

  async #send(range: Range): Promise<void> {
    this.#asking = true;
    try {
      this.parts = await this.#ask(range);
      this.#changed();
    } catch {
      // The program has gone, which the source of pictures says.
    } finally {
      this.#asking = false;
    }
  }
}
