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
import { UsefulSpin } from './useful-spin.ts';
import { HostEvent } from './user-events.ts';

/**
 * How long, in milliseconds, a wait looks before it sleeps, at most: longer than a sleeping core takes to come up, so that
 * an idle device costs one wake-up of the kernel's and not two.
 */
const LONGEST_SPIN = 0.15;
/** Looks between two looks at the clock. */
const LOOKS = 64;

/** Whether looking is of use is one question where the device is at work, and another where it has slept. */
const usefulSpin = { hot: new UsefulSpin(LONGEST_SPIN), idle: new UsefulSpin(LONGEST_SPIN) };

/** Blocks until the command has ended; false where that is not so at `until` (of `performance.now()`). */
export function awaitEnd(pumps: readonly CommandPump[], command: QueuedCommand, until: number): boolean {
  const [only] = pumps;
  // No other device needs this thread, nor does anything that has a deadline.
  const alone = pumps.length === 1 && until === Number.POSITIVE_INFINITY && !only!.needsHost;
  if (alone && only!.awaitAlone(command)) {
    only!.pump();
    if (command.settled) return true;
  }
  const useful = usefulSpin[pumps.length === 1 && only!.idle ? 'idle' : 'hot'];
  const spin = useful.next();
  const spinUntil = performance.now() + spin;
  for (let seen = completions(pumps); ; seen = completions(pumps)) {
    pump(pumps);
    if (command.settled) {
      useful.worked(spin);
      return true;
    }
    if (!changes(pumps, seen, spinUntil)) break;
  }
  useful.failed(spin);
  const patience = Math.min(...pumps.map((each) => each.patience));
  for (const each of pumps) each.block(1);
  try {
    for (;;) {
      const words = pumps.filter(({ stopped }) => !stopped).map(awaited);
      pump(pumps);
      if (command.settled) return true;
      const left = until - performance.now();
      if (left <= 0) return false;
      if (until === Number.POSITIVE_INFINITY) refuseEndless(command);
      futexWaitAny(words, Math.min(left, patience));
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

/** True as soon as a command of any has ended; false at `until`. */
function changes(pumps: readonly CommandPump[], seen: number, until: number): boolean {
  // One device is the usual case, and how long a look takes decides how soon a device on the same processor gets it.
  const only = pumps.length === 1 ? pumps[0] : undefined;
  do {
    if (only) {
      if (only.spin(seen, LOOKS) > 0) return true;
      continue;
    }
    for (let looks = LOOKS; looks > 0; looks--) if (completions(pumps) !== seen) return true;
    for (const each of pumps) each.look();
    if (completions(pumps) !== seen) return true;
  } while (performance.now() < until);
  return false;
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
