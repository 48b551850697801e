/**
 * User events: what the host brings about, and commands wait for. Those that are waited for are kept, so that a mirror
 * that closes can end them: nobody else would, and its commands would wait for ever. Pure.
 *
 * @module
 */
import type { UserEvent } from '../device/device.ts';
import { StateError } from '../errors.ts';
import { Settlement } from './settlement.ts';

export class HostEvent extends Settlement implements UserEvent {
  readonly scope: object;
  readonly description = 'a user event';
  readonly #waitedFor: Set<HostEvent>;

  constructor(scope: object, waitedFor: Set<HostEvent>) {
    super();
    this.scope = scope;
    this.#waitedFor = waitedFor;
  }

  get status(): UserEvent['status'] {
    return this.outcome;
  }

  override get done(): Promise<void> {
    if (!this.settled) this.#waitedFor.add(this);
    return super.done;
  }

  override whenSettled(callback: () => void): void {
    this.#waitedFor.add(this);
    super.whenSettled(callback);
  }

  complete(): void {
    this.#end('complete', undefined);
  }

  fail(error: unknown): void {
    this.#end('failed', error);
  }

  #end(outcome: 'complete' | 'failed', error: unknown): void {
    if (this.settled) {
      throw new StateError('ended', `the user event has ended already (${this.outcome}): events end once`);
    }
    this.#waitedFor.delete(this);
    this.settle(outcome, error);
  }
}
