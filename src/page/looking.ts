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
    if (everything) this.viewport = this.axis.whole;
    else this.#show(seen);
  }

  fold(picture: Picture, on: boolean): void {
    this.#way = undefined;
    const seen = this.#addresses();
    const everything = this.#seesAll();
    this.axis = on ? foldedAxis(picture.folds, this.#pageSize) : LINEAR;
    if (everything) this.viewport = this.axis.whole;
    else this.#show(seen);
  }

  zoom(factor: number, share: number): void {
    this.#way = undefined;
    this.viewport = zoomed(this.viewport, factor, share, this.axis, this.#pageSize);
  }

  pan(share: number): void {
    this.#way = undefined;
    this.viewport = panned(this.viewport, share, this.axis, this.#pageSize);
  }

  /** Goes there, in a while. */
  goTo(range: Range, now: number): void {
    this.#way = { from: this.#addresses(), to: range, since: now };
  }

  goToAll(now: number): void {
    this.#way = { from: this.#addresses(), to: 'all', since: now };
  }

  /** On the way; true while there is more of it. */
  move(now: number): boolean {
    if (!this.#way) return false;
    const { since } = this.#way;
    const from = this.#positions(this.#way.from);
    const to = this.#way.to === 'all' ? this.axis.whole : fitting(this.#way.to, this.axis, this.#pageSize);
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

  #show(seen: Range): void {
    this.viewport = clamped(this.#positions(seen), this.axis, this.#pageSize);
  }

  #seesAll(): boolean {
    const { start, end } = this.axis.whole;
    return this.viewport.start <= start && this.viewport.end >= end;
  }
}
