/**
 * Commands as bars in lanes: a lane for each queue, more where commands of one queue overlap. Pure.
 *
 * @module
 */
import type { SeenCommand } from '../observe/activity.ts';

export interface Bar {
  readonly command: SeenCommand;
  /** Milliseconds on the events' clock. */
  readonly start: number;
  readonly end: number;
  readonly state: 'waiting' | 'running' | 'complete' | 'failed';
  /** Those of a queue that have not ended are one bar, of the first of them. */
  readonly count: number;
}

export interface Lane {
  /** `wasm queue-0`; empty for the further lanes of a queue. */
  readonly title: string;
  readonly bars: readonly Bar[];
}

/** Lanes of what was going on in a time, queues in the order in which they were first used. */
export function lanesOf(commands: readonly SeenCommand[], from: number, now: number): Lane[] {
  const queues = new Map<string, Bar[]>();
  for (const command of commands) {
    const bar = barOf(command, now);
    const title = `${command.launch.device} ${command.launch.queue}`;
    const bars = queues.get(title) ?? [];
    queues.set(title, bars);
    if (bar.end >= from && bar.start <= now) bars.push(bar);
  }
  return [...queues].flatMap(([title, bars]) =>
    packed(together(bars)).map((lane, i) => ({ title: i === 0 ? title : '', bars: lane })),
  );
}

/** What a command is, and how it went. */
export function aboutBar({ command: { launch, end }, start, end: last, state, count }: Bar): {
  readonly title: string;
  readonly text: string;
} {
  const { kernel, type, items, device, queue, command } = launch;
  const waited = end ? `, waited ${milliseconds(start - end.times.queued)}` : '';
  const time =
    state === 'waiting' ? `${milliseconds(last - start)} since it was put in` : milliseconds(last - start);
  const many =
    items === undefined ? '' : `, ${items.toLocaleString('en')} ${type === 'launch' ? 'items' : 'bytes'}`;
  const failure = end?.error ? `: ${end.error.message}` : '';
  return {
    title: count > 1 ? `${count} not ended, ${kernel} first` : `${kernel} (${state})`,
    text: `${type} ${command} of ${device} ${queue}${many}; ${time}${waited}${failure}`,
  };
}

const milliseconds = (time: number): string =>
  time < 1 ? `${Math.round(time * 1000)} µs` : `${time.toFixed(time < 100 ? 1 : 0)} ms`;

function barOf(command: SeenCommand, now: number): Bar {
  const { launch, end } = command;
  if (!end) return { command, start: launch.time, end: now, state: 'waiting', count: 1 };
  const start = end.times.started ?? end.times.queued;
  return {
    command,
    start,
    end: Math.max(start, end.times.finished ?? end.time),
    state: end.status,
    count: 1,
  };
}

/** A queue that is behind has hundreds, all of which end now. */
function together(bars: readonly Bar[]): Bar[] {
  const waiting = bars.filter(({ state }) => state === 'waiting');
  const [first] = waiting;
  if (!first || waiting.length === 1) return [...bars];
  return [...bars.filter(({ state }) => state !== 'waiting'), { ...first, count: waiting.length }];
}

/** Each bar in the first lane in which nothing is in its way. */
function packed(bars: readonly Bar[]): Bar[][] {
  const lanes: Bar[][] = [[]];
  for (const bar of [...bars].sort((a, b) => a.start - b.start)) {
    const free = lanes.find((lane) => (lane.at(-1)?.end ?? Number.NEGATIVE_INFINITY) <= bar.start);
    if (free) free.push(bar);
    else if (lanes.length < MOST_LANES) lanes.push([bar]);
    else lanes[0]!.push(bar);
  }
  return lanes;
}

/** Of one queue. */
const MOST_LANES = 4;
