import type { PiecedMemory } from 'mirrorspace/layout';

export function shortest(
  memory: PiecedMemory,
  begin: number,
  end: number,
  answers: number,
  ways: number,
  airports: number,
): void;
