/**
 * "Could a buffer go there?": asks the program, and shows where it would go, or every reason why not.
 *
 * @module
 */
import { hex } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import { element } from './panel.ts';
import { parseSize } from './sizes.ts';
import type { Source } from './source.ts';

export class PlanForm {
  readonly #size = element<HTMLInputElement>('plan-size');
  readonly #at = element<HTMLInputElement>('plan-at');
  readonly #answer = element('plan-answer');
  readonly #source: Source;
  readonly #mirror: () => number | undefined;
  readonly #found: (range: Range) => void;
  #asked = 0;

  /** `found` is told where the buffer would go. */
  constructor(source: Source, mirror: () => number | undefined, found: (range: Range) => void) {
    this.#source = source;
    this.#mirror = mirror;
    this.#found = found;
    element<HTMLFormElement>('plan').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send(true);
    });
  }

  /** About the size that stands there, at an address. */
  ask(at: number): void {
    this.#at.value = hex(at);
    void this.#send(false);
  }

  async #send(go: boolean): Promise<void> {
    const mirror = this.#mirror();
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
    if (!plan.ok) return this.#say(plan.message, false);
    const { address, size: taken, strategy } = plan.placement;
    this.#say(`yes: at ${hex(address)}-${hex(address + taken)} (${strategy})`, true);
    if (go) this.#found({ start: address, end: address + taken });
  }

  #say(text: string, ok: boolean): void {
    this.#answer.textContent = text;
    this.#answer.dataset.ok = ok ? 'yes' : 'no';
  }
}
