/**
 * Where the page looks: the axis and the part of it that is on the screen, moved by people and at an even pace.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import { type Axis, foldedAxis, LINEAR } from './axis.ts';
import type { Picture } from './picture.ts';
import { between, clamped, fitting, panned, type Viewport, zoomed } from './viewport.ts';

/** Milliseconds from one part to another. */
const WAY = 280;

export class Looking {
  axis: Axis = LINEAR;
  viewport: Viewport = LINEAR.whole;
  #pageSize = 4096;
  /** By addresses: the axis may be another before it is gone. */
  #way: { readonly from: Range; readonly to: Range | 'all'; readonly since: number } | undefined;
  /** Where it went last, until somebody zooms or moves: still there when the axis becomes another. */
  #target: Range | 'all' | undefined;

  get folded(): boolean {
    return this.axis.kind === 'folded';
  }

  /** Another picture: what is in the middle of the screen stays there. */
  follow({ snapshot, folds }: Picture): void {
    this.#pageSize = snapshot.pageSize;
    if (!this.folded) return;
    const seen = this.#addresses();
    const everything = this.#seesAll();
    this.axis = foldedAxis(folds, this.#pageSize);
    this.#keep(seen, everything);
  }

  fold(picture: Picture, on: boolean): void {
    this.#way = undefined;
    const seen = this.#addresses();
    const everything = this.#seesAll();
    this.axis = on ? foldedAxis(picture.folds, this.#pageSize) : LINEAR;
    this.#keep(seen, everything);
  }

  zoom(factor: number, share: number): void {
    this.#leave();
    this.viewport = zoomed(this.viewport, factor, share, this.axis, this.#pageSize);
  }

  pan(share: number): void {
    this.#leave();
    this.viewport = panned(this.viewport, share, this.axis, this.#pageSize);
  }

  /** Goes there, in a while. */
  goTo(range: Range | 'all', now: number): void {
    this.#target = range;
    this.#way = { from: this.#addresses(), to: range, since: now };
  }

  /** On the way; true while there is more of it. */
  move(now: number): boolean {
    if (!this.#way) return false;
    const { since } = this.#way;
    const from = this.#positions(this.#way.from);
    const to = this.#fitting(this.#way.to);
    const share = Math.min(1, (now - since) / WAY);
    // Slower at both ends.
    this.viewport = clamped(between(from, to, share * share * (3 - 2 * share)), this.axis, this.#pageSize);
    if (share === 1) this.#way = undefined;
    return true;
  }

  #addresses(): Range {
    return { start: this.axis.address(this.viewport.start), end: this.axis.address(this.viewport.end) };
  }

  #positions({ start, end }: Range): Viewport {
    return { start: this.axis.position(start), end: this.axis.position(end) };
  }

  /** Whoever moves on the way to somewhere moves from there. */
  arrive(): void {
    if (this.#way) this.viewport = this.#fitting(this.#way.to);
    this.#way = undefined;
  }

  #leave(): void {
    this.arrive();
    this.#target = undefined;
  }

  #fitting(target: Range | 'all'): Viewport {
    return target === 'all' ? this.axis.whole : fitting(target, this.axis, this.#pageSize);
  }

  /** On an axis that has become another. */
  #keep(seen: Range, everything: boolean): void {
    if (this.#way) return;
    if (this.#target) this.viewport = this.#fitting(this.#target);
    else if (everything) this.viewport = this.axis.whole;
    else this.viewport = clamped(this.#positions(seen), this.axis, this.#pageSize);
  }

  #seesAll(): boolean {
    const { start, end } = this.axis.whole;
    return this.viewport.start <= start && this.viewport.end >= end;
  }
}
