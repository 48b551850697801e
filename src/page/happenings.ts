/**
 * What happened lately in the mirror that is shown, from events as they come: commands with their ends, and faults. So many
 * at most, the newest. Pure.
 *
 * @module
 */
import type { SeenCommand } from '../observe/activity.ts';
import type { EventName, MirrorEvents } from '../observe/events.ts';
import type { SeenFault } from './scene.ts';

const MOST_COMMANDS = 2000;
const MOST_FAULTS = 500;

export class Happenings {
  commands: SeenCommand[] = [];
  faults: SeenFault[] = [];

  /** Another mirror is shown, which has done that so far; its faults were before `now`. */
  begin(commands: readonly SeenCommand[], faults: readonly MirrorEvents['fault'][], now: number): void {
    this.commands = [...commands];
    this.faults = faults.slice(-MOST_FAULTS).map((fault) => seen(fault, now));
  }

  /** What a picture of the mirror that is shown knows: events may have been lost, or came before it was shown. */
  catchUp(commands: readonly SeenCommand[]): void {
    const known = new Map(this.commands.map((command) => [command.launch.command, command]));
    for (const command of commands)
      if (!known.get(command.launch.command)?.end) known.set(command.launch.command, command);
    const all = [...known.values()].sort((a, b) => a.launch.command - b.launch.command);
    this.commands = all.slice(-MOST_COMMANDS);
  }

  /** `now` is on the page's own clock. */
  take<Name extends EventName>(name: Name, event: MirrorEvents[Name], now: number): void {
    if (name === 'launch') {
      this.commands.push({ launch: event as MirrorEvents['launch'] });
      if (this.commands.length > 2 * MOST_COMMANDS) this.commands = this.commands.slice(-MOST_COMMANDS);
    } else if (name === 'complete') {
      const end = event as MirrorEvents['complete'];
      const i = this.commands.findLastIndex(({ launch }) => launch.command === end.command);
      if (i >= 0) this.commands[i] = { launch: this.commands[i]!.launch, end };
    } else if (name === 'fault') {
      this.faults.push(seen(event as MirrorEvents['fault'], now));
      if (this.faults.length > 2 * MOST_FAULTS) this.faults = this.faults.slice(-MOST_FAULTS);
    }
  }
}

function seen({ device, address, access, outcome }: MirrorEvents['fault'], at: number): SeenFault {
  return { device, address, access, outcome, bad: outcome === 'unmapped' || outcome === 'read-only', at };
}
