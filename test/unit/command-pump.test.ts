/**
 * The pump on a control block of its own, with no device behind it: the test completes packets as cores do.
 *
 * @module
 */
import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueuedCommand } from '../../src/engine/command.ts';
import { CommandPump } from '../../src/engine/command-pump.ts';
import { Completer } from '../../src/engine/completion.ts';
import { CONTROL_BYTES, CORE, coreWord, HEADER, NO_HAZARD } from '../../src/engine/control-layout.ts';
import { Ring } from '../../src/engine/ring.ts';
import { RingSlots } from '../../src/engine/ring-slots.ts';
import { SharedMemory } from '../../src/engine/shared-memory.ts';

const barrier = { type: 0, kernel: 0, items: 0, chunk: 1, chunks: 1, args: [] };
const nobody = { scope: {}, block: () => false, progressOf: () => 0, ahead: () => undefined };

function pumpWithRing() {
  const control = SharedMemory.create('test-control', CONTROL_BYTES);
  const wakeFd = openSync('/dev/null', 'w');
  control.i32[coreWord(0) + CORE.HAZARD] = NO_HAZARD;
  const holds: number[] = [];
  let held = 0;
  const pump = new CommandPump({
    control,
    hold: (pending) => {
      held += pending ? 1 : -1;
      holds.push(held);
    },
    checkAlive: () => {},
    ended: () => {},
  });
  const ring = new Ring(new RingSlots(control, 0, 1, () => new Error('failed')));
  pump.add(ring);
  const completer = new Completer(control, wakeFd);
  let index = 0;
  return {
    pump,
    holds,
    push(): QueuedCommand {
      const command = new QueuedCommand(nobody, 0, 'barrier', 'barrier', barrier, 0);
      ring.push(command);
      pump.follow();
      return command;
    },
    complete: () => completer.finish(0, index++, 1),
    asleep: () => Atomics.load(control.i32, HEADER.HOST_ASLEEP) === 1,
    free: () => {
      control.unmap();
      closeSync(control.fd);
      closeSync(wakeFd);
    },
  };
}

describe('the command pump', () => {
  const device = pumpWithRing();
  after(() => device.free());

  it('keeps the process alive while a command is pending, and no longer', async () => {
    const command = device.push();
    while (!device.asleep()) await sleep(1);
    device.complete();
    device.pump.woken();
    await command.done;
    assert.deepEqual(device.holds.splice(0), [1, 0]);
  });

  it('lets go once, though the wake byte comes in after the last command was seen to end', async () => {
    const command = device.push();
    while (!device.asleep()) await sleep(1);
    device.complete();
    device.push();
    device.complete();
    await command.done;
    while (device.holds.length < 2) await sleep(1);
    device.pump.woken();
    device.pump.woken();
    assert.deepEqual(device.holds.splice(0), [1, 0]);
  });

  it('lets go once when it is stopped with commands pending, and not again when it is idle', async () => {
    const command = device.push();
    command.done.catch(() => {});
    for (const left of device.pump.stop()) left.fail(new Error('lost'));
    device.pump.woken();
    await assert.rejects(command.done, /lost/);
    assert.deepEqual(device.holds.splice(0), [1, 0]);
  });
});
