/**
 * What is said of buffers that have no room in a process that attaches. Pure.
 *
 * @module
 */
import { AttachError, type Obstacle } from '../../errors.ts';

function describe({ name, start, end, blockers }: Obstacle): string {
  const range = `'${name}' at 0x${start.toString(16)}-0x${end.toString(16)}`;
  const what = blockers.map((each) => each.name || 'anonymous memory').join(', ');
  return what === '' ? range : `${range} (there is ${what})`;
}

/** For an attach that is refused. */
export function conflictMessage(mirror: string, pid: number, obstacles: readonly Obstacle[]): string {
  const shown = obstacles.slice(0, 4).map(describe).join('; ');
  const more = obstacles.length > 4 ? ` and ${obstacles.length - 4} more` : '';
  return `mirror '${mirror}' can't be attached to process ${pid}, which has something of its own where buffers are: ${shown}${more}. Call share() before alloc(), so that buffers keep clear of where heaps lie; or try in a new process`;
}

/** For a buffer that came later. */
export function unreachable(mirror: string, pid: number, obstacle: Obstacle): AttachError {
  return new AttachError(
    'unreachable',
    `buffer ${describe(obstacle)} of mirror '${mirror}' can't be reached from process ${pid}: free it, and allocate another`,
    [obstacle],
  );
}
