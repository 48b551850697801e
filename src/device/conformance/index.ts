/**
 * `mirrorspace/device/conformance`: the suite that every device must pass, as tests of `node:test`. Call
 * {@link testConformance} in a test file with a way to open a mirror that has the device in it. The suite needs a program
 * with its kernels ({@link KERNELS}) on each device: {@link conformancePrograms} has it as WebAssembly and as a module of
 * the process device; {@link kernelsOver} makes the same functions over whatever a JavaScript device sees of memory.
 *
 * @module mirrorspace/device/conformance
 */
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { distFolder } from '../../engine/device-process.ts';
import { CONTRACT_CASES, SVM_CASES } from './cases.ts';
import { type DeviceSide, Sides } from './sides.ts';
import { Tally } from './tally.ts';
import type { ConformanceTarget } from './target.ts';

export { BATCH, KERNELS, type KernelName, PROGRESS } from './kernel-list.ts';
export { type KernelViews, type KernelViewType, kernelsOver, type PortableKernel } from './kernels.ts';
export type {
  ConformanceAlloc,
  ConformanceBuffer,
  ConformanceMirror,
  ConformancePart,
  ConformanceTarget,
  Need,
  ProgramSource,
} from './target.ts';

/** The suite's kernels, built: what `load` of the devices of this package takes. */
export const conformancePrograms: {
  /** 32-bit, over one shared memory; its static data, of which it has none, would be at 1 MiB. */
  readonly webAssembly: URL;
  /** A module for `processDevice`. */
  readonly process: URL;
} = {
  get webAssembly() {
    return pathToFileURL(join(distFolder(), 'device/conformance/kernels.wasm'));
  },
  get process() {
    return pathToFileURL(join(distFolder(), 'device/process/conformance-kernels.js'));
  },
};

/**
 * Declares the tests of the suite for one set of devices: those of the interface for each device, those of shared memory
 * between the host and all of them. Cases that a device has not the capability for are skipped, with the reason.
 */
export function testConformance(target: ConformanceTarget): void {
  describe(`conformance of ${target.name}`, () => {
    if (target.missing !== undefined) {
      // One by one, so that all are counted.
      for (const { name } of [...SVM_CASES, ...CONTRACT_CASES])
        test(name, { skip: target.missing }, () => {});
      return;
    }
    const tally = new Tally([...SVM_CASES, ...CONTRACT_CASES].map(({ name }) => name));
    let sides: Sides;
    before(async () => {
      sides = await Sides.open(target);
    });
    after(() => sides?.mirror.close());

    describe('shared memory', () => {
      for (const { name, coarse, skip, run } of SVM_CASES)
        test(name, async (t) => {
          const coarseOnly = coarse ? undefined : sides.withoutFine;
          const reason = coarseOnly ?? skip?.(sides);
          if (reason !== undefined) {
            tally.skipped(name, reason, coarseOnly !== undefined);
            return t.skip(reason);
          }
          await run(sides, {
            diagnostic: (message) => t.diagnostic(message),
            skipped: (device, why) => {
              tally.skipped(name, `${device}: ${why}`);
              return t.test(device, (sub) => sub.skip(why));
            },
          });
          tally.ran(name);
        });
    });

    describe('each device', () => {
      for (const { name, coarse, alone, needs, skip, run } of CONTRACT_CASES)
        test(name, async (t) => {
          const coarseOnly = coarse ? undefined : sides.withoutFine;
          const announced = (i: number) =>
            coarseOnly !== undefined ||
            (needs !== undefined && sides.devices[i]!.without[needs] !== undefined);
          const reasonOf = (side: DeviceSide) => (needs && side.without[needs]) ?? coarseOnly ?? skip?.(side);
          // What no device has is skipped as a whole: nothing passes that was not run.
          const reasons = sides.devices.map(reasonOf);
          if (reasons.every((reason) => reason !== undefined)) {
            const why = [...new Set(reasons)].join('; ');
            tally.skipped(
              name,
              why,
              reasons.every((_, i) => announced(i)),
            );
            return t.skip(why);
          }
          for (const [i, { name: device }] of sides.devices.entries()) {
            const reason = reasons[i];
            if (reason !== undefined) {
              tally.skipped(name, `${device}: ${reason}`, announced(i));
              await t.test(device, (sub) => sub.skip(reason));
              continue;
            }
            const on = alone ? await Sides.open(target) : sides;
            try {
              await run(on.devices[i]!, on, target);
            } finally {
              if (alone) await on.mirror.close();
            }
          }
          tally.ran(name);
        });
    });

    test('every case was run to its end, or skipped with a reason', (t) => {
      for (const line of tally.lines()) t.diagnostic(line);
      tally.check(target.skips);
    });
  });
}
