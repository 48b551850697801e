/**
 * What it costs to be seen: launches and allocations while nobody listens, with a listener for every event, and with the
 * line of the program in each. The peer is the same without a listener. What publishing costs while nobody listens can't
 * be taken away to compare; its price is that of the guard alone, measured beside.
 *
 * @module
 */
import { channel } from 'node:diagnostics_channel';
import { KiB, openMirror, wasmDevice } from '../dist/index.js';
import { EVENT_NAMES, recordSites, subscribe } from '../dist/observe/index.js';
import { beside, inTurn, nanoseconds, type Row, rounded } from './rows.ts';

const kernels = new URL('../test/fixtures/kernels/build/basic.wasm', import.meta.url);
/** Guards that a launch passes, its end included: that of each event from devices, `launch`, `complete`. */
const GUARDS = 7;

export async function observing(quick: boolean): Promise<Row[]> {
  const mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  const { wasm } = mirror.devices;
  const kernel = (await wasm.load(kernels)).kernel('nothing', []);
  const operations = quick ? 300 : 2000;
  let heard = 0;
  const listening = (round: () => void) => (): void => {
    const ends = EVENT_NAMES.map((name) => subscribe(name, () => heard++));
    round();
    for (const end of ends) end();
  };
  const withSites = (round: () => void) => (): void => {
    recordSites(true);
    listening(round)();
    recordSites(false);
  };
  const launches = (): void => {
    for (let i = 0; i < operations; i++) wasm.queue.launch(kernel, { items: 1, args: [] }).wait();
  };
  const allocations = (): void => {
    for (let i = 0; i < operations; i++) mirror.alloc(64 * KiB).free();
  };
  const rows: Row[] = [];
  for (const [what, round] of [
    ['launch + wait, empty kernel', launches],
    ['alloc + free, 64 KiB', allocations],
  ] as const) {
    const [alone, heardAll, sites] = inTurn(operations, [round, listening(round), withSites(round)]);
    const row = (how: string, ours: number): Row =>
      beside(
        { group: 'observe', what: `${what}, ${how}`, unit: 'ns', ours: rounded(ours) },
        'no listener',
        alone!,
      );
    rows.push(row('a listener for every event', heardAll!), row('listeners and sites', sites!));
  }
  const unheard = channel('mirrorspace:bench-unheard');
  let listeners = 0;
  const guard = nanoseconds(1e6 * GUARDS, () => {
    for (let i = 0; i < 1e6 * GUARDS; i++) if (unheard.hasSubscribers) listeners++;
  });
  const guards = rounded(GUARDS * guard);
  const [launch] = inTurn(operations, [launches]);
  rows.push(
    beside(
      {
        group: 'observe',
        what: `the ${GUARDS} guards of a launch that nobody listens to`,
        unit: 'ns',
        ours: guards,
        target: 'not measurable in the launch',
      },
      'launch + wait, empty kernel',
      launch!,
    ),
  );
  await mirror.close();
  if (heard === 0 || listeners > 0) throw new Error('the listeners were not those that were measured');
  return rows;
}
