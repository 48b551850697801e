/**
 * A blocking wait: spins, then sleeps on the completion words of the devices that have a part in it, moves their commands
 * along, and watches that they still live. A command may wait for one of another device, which only this thread can
 * release: where anything waits for the host, all devices with commands are looked after.
 *
 * @module
 */
import { StateError } from '../errors.ts';
import { type Awaited, futexWaitAny } from '../linux/futex.ts';
import { QueuedCommand } from './command.ts';
import type { CommandPump } from './command-pump.ts';
import type { Settlement } from './settlement.ts';
import { HostEvent } from './user-events.ts';

/** Looks at the completion words before a wait sleeps: some tens of microseconds. */
const SPIN = 3000;
/** A blocked wait looks this often, in milliseconds, whether the devices still live. */
const LIVENESS = 50;

/** Blocks until the command has ended; false where that is not so at `until` (of `performance.now()`). */
export function awaitEnd(pumps: readonly CommandPump[], command: QueuedCommand, until: number): boolean {
  // One device is the usual case, and how long a look takes decides how soon a device on the same processor gets it.
  const only = pumps.length === 1 ? pumps[0] : undefined;
  for (let spins = SPIN; spins > 0; spins--) {
    const seen = completions(pumps);
    pump(pumps);
    if (command.settled) return true;
    if (only) spins = only.spin(seen, spins);
    else while (spins > 0 && completions(pumps) === seen) spins -= pumps.length;
  }
  for (const each of pumps) each.block(1);
  try {
    for (;;) {
      const words = pumps.filter(({ stopped }) => !stopped).map(awaited);
      pump(pumps);
      if (command.settled) return true;
      const left = until - performance.now();
      if (left <= 0) return false;
      if (until === Number.POSITIVE_INFINITY) refuseEndless(command);
      futexWaitAny(words, Math.min(left, LIVENESS));
      pump(pumps);
      if (!command.settled) for (const each of pumps) each.checkAlive();
    }
  } finally {
    for (const each of pumps) each.block(-1);
  }
}

function completions(pumps: readonly CommandPump[]): number {
  let sum = 0;
  for (const each of pumps) sum = (sum + each.completions) | 0;
  return sum;
}

function pump(pumps: readonly CommandPump[]): void {
  for (const each of pumps) each.pump();
}

const awaited = (pump: CommandPump): Awaited => ({
  address: pump.completionsAddress,
  expected: pump.completions,
});

/** Throws StateError where only this thread could bring the command about, which would be blocked. */
export function refuseEndless(command: QueuedCommand): void {
  if (command.index !== -1) return;
  const seen = new Set<Settlement>();
  const left: Settlement[] = [command];
  for (let next = left.pop(); next; next = left.pop()) {
    if (next.settled || seen.has(next)) continue;
    seen.add(next);
    if (next instanceof HostEvent) {
      throw new StateError(
        'busy',
        `${command.description} waits for a user event that only this thread can complete: call 'complete()' before 'wait()', or await 'done'`,
      );
    }
    left.push(...next.waitsFor());
    if (!(next instanceof QueuedCommand) || next.index !== -1) continue;
    const ahead = next.ahead();
    if (ahead instanceof StateError) throw ahead;
    if (ahead) left.push(ahead);
  }
}
