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

  /** Another mirror is shown, which has done that so far. */
  begin(commands: readonly SeenCommand[]): void {
    this.commands = [...commands];
    this.faults = [];
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
      const { device, address, outcome } = event as MirrorEvents['fault'];
      const bad = outcome === 'unmapped' || outcome === 'read-only';
      this.faults.push({ device, address, bad, at: now });
      if (this.faults.length > 2 * MOST_FAULTS) this.faults = this.faults.slice(-MOST_FAULTS);
    }
  }
}
