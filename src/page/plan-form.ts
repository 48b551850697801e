/**
 * "Could a buffer go there?": asks the program, and shows where it would go; or every reason why not: who is in the way, and
 * which single change would help. Each leads to its place in the atlas.
 *
 * @module
 */
import { formatBytes, hex } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import type { LivePlan } from '../web/live-mirrors.ts';
import { element, placeButton } from './panel.ts';
import { parseSize } from './sizes.ts';
import type { Source } from './source.ts';

export interface PlanListener {
  /** The mirror that is asked. */
  mirror(): number | undefined;
  /** What was asked about, and the answer; undefined where that is no place. */
  asked(range: (Range & { readonly ok: boolean }) | undefined): void;
  /** The person wants to see that. */
  go(range: Range): void;
}

/** Of those that are in the way. */
const MOST_NAMED = 8;

export class PlanForm {
  readonly #size = element<HTMLInputElement>('plan-size');
  readonly #at = element<HTMLInputElement>('plan-at');
  readonly #answer = element('plan-answer');
  readonly #source: Source;
  readonly #listener: PlanListener;
  #asked = 0;

  constructor(source: Source, listener: PlanListener) {
    this.#source = source;
    this.#listener = listener;
    element<HTMLFormElement>('plan').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send(true);
    });
  }

  /** An address to ask about, without asking. */
  suggest(at: number): void {
    this.#at.value = hex(at);
  }

  /** About the size that stands there, at an address. */
  ask(at: number): void {
    this.suggest(at);
    void this.#send(false);
  }

  async #send(go: boolean): Promise<void> {
    const mirror = this.#listener.mirror();
    const size = parseSize(this.#size.value);
    const at = this.#at.value.trim() === '' ? undefined : parseSize(this.#at.value);
    if (mirror === undefined) return this.#say('no mirror is open', false);
    if (size === undefined) return this.#say(`'${this.#size.value}' is no size: 4096, 64K, 1.5G`, false);
    if (at === undefined && this.#at.value.trim() !== '')
      return this.#say(`'${this.#at.value}' is no address: 0x10000, 2G`, false);
    const asked = ++this.#asked;
    const plan = await this.#source.plan(mirror, size, at);
    // A later question has been asked meanwhile.
    if (asked !== this.#asked) return;
    if (plan.ok) this.#yes(plan, size, go);
    else this.#no(plan, size, at);
  }

  #yes({ placement }: Extract<LivePlan, { ok: true }>, size: number, go: boolean): void {
    const { address, size: taken } = placement;
    const range = { start: address, end: address + taken };
    this.#say(`Yes: ${formatBytes(size)} would be at ${hex(range.start)}-${hex(range.end)}.`, true);
    this.#listener.asked({ ...range, ok: true });
    if (go) this.#listener.go(range);
  }

  #no(
    { message, refusal, remedies = [] }: Extract<LivePlan, { ok: false }>,
    size: number,
    at?: number,
  ): void {
    this.#say(message, false);
    this.#listener.asked(at === undefined ? undefined : { start: at, end: at + size, ok: false });
    if (!refusal) return;
    const blockers = [...refusal.blockers].sort((a, b) => b.size - a.size).slice(0, MOST_NAMED);
    const others = refusal.blockers.length - blockers.length + refusal.blockersOmitted;
    if (blockers.length > 0) {
      this.#head('In the way');
      for (const { name, start, end, owner, size: bytes } of blockers) {
        const whose = owner === 'host' ? '' : ` of ${owner}`;
        const text = `${name || 'unnamed'}${whose}, ${formatBytes(bytes)} at ${hex(start)}`;
        this.#answer.append(placeButton(text, () => this.#listener.go({ start, end })));
      }
      if (others > 0) this.#line(`and ${others} more`);
    }
    this.#head(remedies.length > 0 ? 'Any one of these makes it fit' : 'No single change makes it fit');
    for (const { text, address } of remedies)
      this.#answer.append(
        placeButton(text, () => this.#listener.go({ start: address, end: address + size })),
      );
  }

  #head(text: string): void {
    const head = document.createElement('h3');
    head.textContent = text;
    this.#answer.append(head);
  }

  #line(text: string): void {
    const line = document.createElement('p');
    line.textContent = text;
    this.#answer.append(line);
  }

  #say(text: string, ok: boolean): void {
    const line = document.createElement('p');
    line.textContent = text;
    this.#answer.replaceChildren(line);
    this.#answer.dataset.ok = ok ? 'yes' : 'no';
  }
}
