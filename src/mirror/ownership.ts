/**
 * Who owns a coarse buffer: its devices, or the host where it has mapped a part (clEnqueueSVMMap). A mapping belongs to
 * the host from the call of `map` on, in the order of the program; the host may touch it from the end of that command
 * until the call of `unmap`. Outside of what is mapped views show private zero pages, so that nothing the host does there
 * reaches a device, and nothing a device does is seen half done. Pages of mappings for reading are private copies:
 * stores to them go nowhere.
 *
 * @module
 */
import type { AttachedDevice, HostRange, OwnershipChange } from '../device/device.ts';
import { StateError, SystemError, UnsupportedError } from '../errors.ts';
import { type Address, alignDown, alignUp, type Range } from '../mm/address.ts';

/** What the host sees of a page: the buffer's, a private copy on write, or a private zero page. */
export type PageKind = 'shared' | 'copy' | 'zero';

interface Mapping extends HostRange {
  /** The command has ended: the host may touch it. */
  begun: boolean;
}

export interface PageRange extends Range {
  readonly kind: PageKind;
}

/** What the host sees of each page of `range`, neighbours of a kind as one. Pure. */
export function pagesOf(mappings: readonly HostRange[], range: Range, page: number): PageRange[] {
  const edges = new Set([range.start, range.end]);
  const inside = (edge: Address): boolean => edge > range.start && edge < range.end;
  const wide = mappings.map(({ start, end, access }) => ({
    start: alignDown(start, page),
    end: alignUp(end, page),
    access,
  }));
  for (const { start, end } of wide) for (const edge of [start, end]) if (inside(edge)) edges.add(edge);
  const sorted = [...edges].sort((a, b) => a - b);
  const pages: PageRange[] = [];
  for (let i = 0; i + 1 < sorted.length; i++) {
    const start = sorted[i]!;
    const end = sorted[i + 1]!;
    const over = wide.filter((mapping) => mapping.start <= start && mapping.end >= end);
    const kind =
      over.length === 0 ? 'zero' : over.some(({ access }) => access !== 'read') ? 'shared' : 'copy';
    const last = pages.at(-1);
    if (last?.kind === kind) pages[pages.length - 1] = { start: last.start, end, kind };
    else pages.push({ start, end, kind });
  }
  return pages;
}

/** What is to be mapped anew to get from one picture of a range to another. Pure. */
export function changesOf(before: readonly PageRange[], after: readonly PageRange[]): PageRange[] {
  const changes: PageRange[] = [];
  for (const now of after) {
    for (const was of before) {
      const start = Math.max(now.start, was.start);
      const end = Math.min(now.end, was.end);
      if (start < end && was.kind !== now.kind) changes.push({ start, end, kind: now.kind });
    }
  }
  return changes;
}

/** The host's pages, as an owner changes them. */
export interface HostPages {
  readonly pageSize: number;
  /** Maps a range anew; throws SystemError, and nothing has changed then. */
  show(range: PageRange): void;
  /** Before so many more mappings are there than were (fewer, where negative); throws SystemError. */
  room(change: number): void;
}

/**
 * How the pages of a buffer change with its owner: not at all where a device that may touch it reaches it through the
 * host's mappings. Then the host's views show what devices do, and only the calls are checked.
 */
export function pagesFor(
  attached: readonly AttachedDevice[],
  access: readonly ('read' | 'write' | 'none')[],
  pages: HostPages,
): HostPages {
  const stay = attached.some(({ throughHost }, i) => throughHost === true && access[i] !== 'none');
  return stay ? { pageSize: pages.pageSize, show: () => {}, room: () => {} } : pages;
}

export class Ownership {
  readonly #name: string;
  readonly #pages: HostPages;
  #whole: Range;
  #mappings: Mapping[] = [];
  /** There is an ArrayBuffer: pages change with the owner. Before, nobody looks, and all stay the buffer's. */
  #viewed = false;
  #freed = false;

  constructor(name: string, whole: Range, pages: HostPages) {
    this.#name = name;
    this.#whole = whole;
    this.#pages = pages;
  }

  /** The host has mapped some of it, or will when the command ends. */
  get claimed(): boolean {
    return this.#mappings.length > 0;
  }

  /** Throws where the host has mapped some of it. */
  checkUnmapped(argument: string): void {
    if (!this.claimed) return;
    throw new StateError(
      'mapped',
      `${argument} names coarse buffer '${this.#name}', which the host has mapped: until queue.unmap() of it no command may use it`,
    );
  }

  /** Throws where the host may not touch all of `[start, end)`. */
  checkTouch(start: Address, end: Address): void {
    if (this.#mappings.some((mapping) => mapping.begun && mapping.start <= start && end <= mapping.end))
      return;
    const what = `buffer '${this.#name}' is coarse: the host may touch it between queue.map() and queue.unmap()`;
    const waits = this.#mappings.some((mapping) => mapping.start <= start && end <= mapping.end);
    const some = this.#mappings.some(({ begun }) => begun);
    throw new StateError(
      'unmapped',
      waits
        ? `${what}, and that map has not ended: await its 'done' first`
        : some
          ? `${what}, of which a part is mapped: ask for a view of that part, view(type, byteOffset, length)`
          : `${what}: await queue.map(buffer).done first`,
    );
  }

  /** An ArrayBuffer is about to be made. Throws SystemError where the kernel has no room for the mappings. */
  view(): void {
    if (this.#viewed) return;
    this.#apply([{ ...this.#range(), kind: 'shared' }], this.#picture());
    this.#viewed = true;
  }

  /** Refuses a mapping that can't be, and gives what makes it. */
  map({ start, end, access }: HostRange): OwnershipChange {
    const clash = this.#mappings.find(
      (mapping) =>
        mapping.start < end && start < mapping.end && (access !== 'read' || mapping.access !== 'read'),
    );
    if (clash)
      throw new StateError(
        'mapped',
        `buffer '${this.#name}' is mapped there already (bytes ${clash.start - this.#whole.start} to ${clash.end - this.#whole.start}, for '${clash.access}'): only mappings for 'read' may overlap; queue.unmap() it first`,
      );
    const mapping: Mapping = { start, end, access, begun: false };
    return {
      ranges: [mapping],
      begin: () => {
        this.#mappings.push(mapping);
      },
      complete: () => {
        // Unmapped or freed meanwhile.
        if (!this.#mappings.includes(mapping)) return;
        this.#change(() => {
          mapping.begun = true;
        });
      },
      fail: () => {
        mapping.begun = false;
        this.#mappings = this.#mappings.filter((other) => other !== mapping);
      },
    };
  }

  /** Refuses what is not mapped, and gives what ends it: without a range all mappings. */
  unmap(range: Range | undefined): Pick<OwnershipChange, 'ranges' | 'begin'> {
    if (!range) {
      if (!this.claimed) throw this.#notMapped('');
      return { ranges: this.#mappings, begin: () => this.#remove(this.#mappings) };
    }
    const found = this.#mappings.findLast(({ start, end }) => start === range.start && end === range.end);
    if (found) return { ranges: [found], begin: () => this.#remove([found]) };
    const { start } = this.#whole;
    throw this.#notMapped(` from byte ${range.start - start} to ${range.end - start}`);
  }

  /** The buffer is longer: its new pages are mapped as its own, and nobody's for now. */
  grow(end: Address): void {
    const before = this.#range();
    const more = { start: before.end, end: alignUp(end, this.#pages.pageSize) };
    this.#whole = { start: before.start, end };
    if (!this.#viewed || more.end <= more.start) return;
    try {
      this.#apply([{ ...more, kind: 'shared' }], [{ ...more, kind: 'zero' }]);
    } catch (error) {
      // The kernel has no room for a mapping: seen too well until the next change, and by no view that there is.
      if (!(error instanceof SystemError)) throw error;
    }
  }

  /** The buffer is freed, and its pages are another's business. */
  end(): void {
    if (this.#viewed) this.#pages.room(1 - this.#picture().length);
    this.#freed = true;
    this.#mappings = [];
  }

  #remove(gone: readonly Mapping[]): void {
    this.#change(() => {
      this.#mappings = this.#mappings.filter((mapping) => !gone.includes(mapping));
    });
  }

  /** What the host sees now, where it has views. */
  #picture(): PageRange[] {
    const begun = this.#mappings.filter((mapping) => mapping.begun);
    return pagesOf(begun, this.#range(), this.#pages.pageSize);
  }

  /** What changes what the host sees. Where the kernel refuses, nothing is different but pages that are seen too well. */
  #change(edit: () => void): void {
    const before = this.#mappings.map((mapping) => ({ ...mapping }));
    const was = this.#picture();
    const mappings = this.#mappings;
    edit();
    if (!this.#viewed || this.#freed) return;
    try {
      this.#apply(was, this.#picture());
    } catch (error) {
      this.#mappings = mappings;
      mappings.forEach((mapping, i) => {
        mapping.begun = before[i]!.begun;
      });
      throw error;
    }
  }

  #apply(was: readonly PageRange[], now: readonly PageRange[]): void {
    const done: PageRange[] = [];
    const more = now.length - was.length;
    this.#pages.room(more);
    try {
      for (const change of changesOf(was, now)) {
        this.#pages.show(change);
        done.push(change);
      }
    } catch (error) {
      this.#pages.room(-more);
      if (!(error instanceof SystemError)) throw error;
      for (const back of changesOf(done, was)) {
        try {
          this.#pages.show(back);
        } catch {
          // The kernel has no room: these pages stay as they are until the next change.
        }
      }
      throw error;
    }
  }

  #range(): Range {
    const { start, end } = this.#whole;
    return { start, end: alignUp(end, this.#pages.pageSize) };
  }

  #notMapped(where: string): StateError {
    return new StateError('unmapped', `buffer '${this.#name}' is not mapped${where}: queue.map() it first`);
  }
}

/** A buffer that host and devices touch at the same time, as locks and channels do; throws for a coarse one. */
export function touchedAtOnce<
  B extends { readonly name: string; readonly ownership?: Ownership | undefined },
>(buffer: B | undefined): B | undefined {
  if (buffer?.ownership)
    throw new UnsupportedError(
      'atomics in coarse buffers',
      `buffer '${buffer.name}' is coarse: host and devices never touch it at the same time, so nobody can wait for a word of it or be locked out by one. Use a buffer of type 'fine'`,
    );
  return buffer;
}
