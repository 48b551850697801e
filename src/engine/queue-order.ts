/**
 * What a queue out of order still orders: barriers and markers. A barrier has a gate, which opens once what it waits for
 * has ended, and what is put in behind it waits for the gate and for the barrier itself. The gate does not end with the
 * barrier: one that is aborted, or fails, still keeps apart what it stands between. Pure.
 *
 * @module
 */
import { Gate, type Settlement } from './settlement.ts';

export interface OrderHost {
  readonly scope: object;
  /** Calls back when what the queue has so far has ended. */
  whenEnded(callback: () => void): void;
  /** What the queue has so far and can't go to the device before something else ends. */
  blocked(): () => readonly Settlement[];
}

export class QueueOrder {
  readonly #host: OrderHost;
  /** Of the last barrier, while it holds up others. */
  #gates: readonly Settlement[] = [];

  constructor(host: OrderHost) {
    this.#host = host;
  }

  /** What a command that is put in now waits for, beside its own prerequisites. */
  get gates(): readonly Settlement[] {
    if (this.#gates.length > 0) this.#gates = this.#gates.filter(({ settled }) => !settled);
    return this.#gates;
  }

  /** What a barrier or marker waits for that is put in now: these, or all before it. Undefined where that has ended. */
  gateBehind(after: readonly Settlement[]): Gate | undefined {
    const gate = after.length > 0 ? this.#gateOf([...after, ...this.gates]) : this.#gateOfAll();
    return gate.settled ? undefined : gate;
  }

  /** What is put in from now on waits for these. */
  close(gates: readonly Settlement[]): void {
    this.#gates = gates;
  }

  #gateOf(list: readonly Settlement[]): Gate {
    const open = [...new Set(list)].filter(({ settled }) => !settled);
    const gate = new Gate(this.#host.scope, () => open);
    let left = open.length;
    if (left === 0) gate.open();
    for (const each of open) {
      each.whenSettled(() => {
        if (--left === 0) gate.open();
      });
    }
    return gate;
  }

  #gateOfAll(): Gate {
    const gate = new Gate(this.#host.scope, this.#host.blocked());
    this.#host.whenEnded(() => gate.open());
    return gate;
  }
}
