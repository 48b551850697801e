/**
 * That all sides really ran at the same time, read from the words by which they kept in step.
 *
 * @module
 */
import assert from 'node:assert/strict';
import type { CaseReport } from '../case.ts';
import { PROGRESS } from '../kernel-list.ts';
import { i32, type Sides } from '../sides.ts';
import type { ConformanceBuffer } from '../target.ts';

/**
 * A side begins a round only once the others have ended the last but one: so in all but four rounds at most, the others
 * had begun, and had not ended, and said so. Sides that run one after the other wait for ever, and give up.
 */
export function assertOverlap(
  sides: Sides,
  progress: ConformanceBuffer,
  rounds: number,
  report: CaseReport,
): void {
  const words = i32(progress);
  assert.equal(words[PROGRESS.STOP], 0, 'the sides do not run at the same time: the host waited in vain');
  for (const [lane, side] of sides.all.entries()) {
    assert.equal(words[PROGRESS.LANES + lane], rounds, `the rounds of ${side.name}`);
    const witnessed = words[PROGRESS.WITNESS + lane]!;
    assert.ok(witnessed >= rounds - 4, `${side.name} saw the others run in ${witnessed} of ${rounds} rounds`);
  }
  report.diagnostic(
    `${rounds} rounds, in which the sides saw all others running ${sides.all
      .map(({ name }, lane) => `${name} ${words[PROGRESS.WITNESS + lane]}`)
      .join(', ')} times`,
  );
}
