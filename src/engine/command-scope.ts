/**
 * What the devices of one mirror know of each other's commands: that they are of one mirror, so that one may wait for
 * another's; and, while a thread is blocked in `wait`, whom it has to look after. Also the mirror's user events.
 *
 * @module
 */
import type { UserEvent } from '../device/device.ts';
import { StateError } from '../errors.ts';
import type { MirrorIdentity } from '../observe/events.ts';
import { awaitEnd } from './blocking-wait.ts';
import type { QueuedCommand } from './command.ts';
import type { CommandPump } from './command-pump.ts';
import type { StopWatch } from './stop-watch.ts';
import { HostEvent } from './user-events.ts';

/** A device, as others of its mirror see it. */
export interface ScopeMember {
  readonly stops: StopWatch;
  /** What moves its commands along; undefined while the device is lost. */
  readonly pump: CommandPump | undefined;
}

let mirrors = 0;

export class CommandScope {
  /** The mirror, in events. */
  readonly mirror: MirrorIdentity;
  readonly #members = new Set<ScopeMember>();
  readonly #events = new Set<HostEvent>();
  #closed = false;

  /** @internal `name`: the mirror's. */
  constructor(name: string) {
    this.mirror = { id: ++mirrors, name };
  }

  /** @internal */
  add(member: ScopeMember): void {
    this.#members.add(member);
  }

  /** A new user event. Throws StateError where the mirror is closed. */
  createEvent(): UserEvent {
    if (this.#closed) throw new StateError('closed', 'the mirror is closed');
    return new HostEvent(this, this.#events);
  }

  /** The mirror closes: what somebody waits for and has not come will not come. */
  close(mirror: string): void {
    this.#closed = true;
    for (const event of [...this.#events])
      event.fail(
        new StateError('closed', `mirror '${mirror}' was closed before the user event was complete`),
      );
  }

  /**
   * @internal Blocks until the command has ended; false where `timeout` milliseconds were not enough. Timers do not run while this
   * thread is blocked: the deadlines of all commands are looked after here. Throws StateError where it would never end.
   */
  block(own: CommandPump, command: QueuedCommand, timeout: number): boolean {
    if (own.stopped) throw new StateError('closed', 'the device is closed');
    const until = performance.now() + timeout;
    for (;;) {
      let next = until;
      for (const { stops } of this.#members) next = Math.min(next, stops.next);
      if (awaitEnd(this.#pumps(own), command, next)) return true;
      for (const { stops } of this.#members) stops.expire();
      if (command.settled) return true;
      if (performance.now() >= until) return false;
    }
  }

  /** Those whose commands the wait is to move along, its own first. */
  #pumps(own: CommandPump): CommandPump[] {
    const pumps = [own];
    if (this.#members.size === 1) return pumps;
    for (const { pump } of this.#members) if (pump && pump !== own && pump.pending > 0) pumps.push(pump);
    return pumps.some((pump) => pump.needsHost) ? pumps : [own];
  }
}
