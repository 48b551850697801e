/**
 * What a driver really does with pointers, found out when a device is opened: a kernel is given a pointer to a page of
 * such memory as buffers are made of (probe-memory.ts), follows a pointer that is stored there to another such page, and
 * echoes both addresses; copies and fills; atomics; whether host and kernel see each other's stores while it runs. What the driver
 * says about itself decides nothing here: PoCL's CPU device, as Debian has it, does not advertise system SVM and does all
 * of it.
 *
 * @module
 */
import { UnsupportedError } from '../../errors.ts';
import type { Address } from '../../mm/address.ts';
import { type Capabilities, SVM } from '../capabilities.ts';
import { PROBE_WORD } from './built-in-source.ts';
import type { DriverContext } from './driver-context.ts';
import type { Handle } from './icd/loader.ts';
import { checkStatus } from './icd/status.ts';
import type { ProbeMemory, ProbePage } from './probe-memory.ts';

/**
 * Loads for which the kernel waits for the host: minutes, where it waits in vain. On a machine with much to do this thread
 * may not come to answer for seconds. It is tried only on a driver that promises to see it through.
 */
const PATIENCE = 2n ** 38n;

const HAS_ALWAYS: Capabilities =
  SVM.SINGLE_ADDRESS_SPACE |
  SVM.DEVICE_UNASSOCIATED |
  SVM.CONTEXT_ACCESS |
  SVM.HOST_READ |
  SVM.HOST_WRITE |
  SVM.HOST_MAP |
  SVM.DEVICE_READ |
  SVM.DEVICE_WRITE |
  SVM.DEVICE_ATOMIC_ACCESS |
  SVM.INDIRECT_ACCESS;

/** What the probe needs besides the context. */
export interface ProbeOptions {
  /** Such memory as buffers are to be made of. */
  readonly memory: ProbeMemory;
  /** The program of built-in-source.ts, and whether it was compiled with atomics across devices. */
  readonly program: Handle;
  readonly atomics: boolean;
}

/** The capabilities that were seen. Throws UnsupportedError where pointers to such memory do not work. */
export async function probe(context: DriverContext, options: ProbeOptions): Promise<Capabilities> {
  const [low, high] = options.memory.pages;
  const queue = context.createQueue('in');
  try {
    probePointers(context, queue, options, low, high);
    if (options.memory.coarse) return HAS_ALWAYS & ~(SVM.HOST_READ | SVM.HOST_WRITE);
    let capabilities = HAS_ALWAYS;
    if (options.atomics) {
      const { fineGrainBuffer, fineGrainSystem, atomics } = context.info.svm;
      const promised = atomics && (fineGrainBuffer || fineGrainSystem);
      if (promised && (await probeConcurrency(context, queue, options, low)))
        capabilities |= SVM.CONCURRENT_ACCESS | SVM.CONCURRENT_ATOMIC_ACCESS;
    }
    return capabilities;
  } finally {
    context.cl.clFinish(queue);
    // The views are not used any more: nobody else has them.
    options.memory.giveBack();
  }
}

/** Whether kernels reach memory of the process that nobody allocated for them, beside the arena's. */
export function reachesSystem(context: DriverContext, options: ProbeOptions): boolean {
  const queue = context.createQueue('in');
  const [low, high] = options.memory.pages;
  try {
    probePointers(context, queue, options, low, high);
    return true;
  } catch {
    return false;
  } finally {
    context.cl.clFinish(queue);
    options.memory.giveBack();
  }
}

/** Launches a kernel of two arguments over one item. */
function launch(
  context: DriverContext,
  queue: Handle,
  { program, memory }: ProbeOptions,
  name: string,
  at: Address,
  word: bigint,
) {
  const { cl } = context;
  const kernel = context.kernel(program, name);
  memory.tell(kernel);
  checkStatus('clSetKernelArgSVMPointer', cl.clSetKernelArgSVMPointer(kernel, 0, at));
  checkStatus('clSetKernelArg', cl.clSetKernelArg(kernel, 1, 8, new BigUint64Array([word])));
  checkStatus(
    'clEnqueueNDRangeKernel',
    cl.clEnqueueNDRangeKernel(queue, kernel, 1, null, new BigUint64Array([1n]), null, 0, null, null),
  );
}

function probePointers(
  context: DriverContext,
  queue: Handle,
  options: ProbeOptions,
  low: ProbePage,
  high: ProbePage,
): void {
  const { cl } = context;
  const secret = BigInt(Math.floor(Math.random() * 2 ** 48)) + 1n;
  const [here, there] = [BigInt(low.address), BigInt(high.address)];
  const { memory } = options;
  memory.onHost(() => {
    low.words[PROBE_WORD.POINTER] = there;
    low.words[PROBE_WORD.COUNTER] = 2n;
    high.words[4] = secret + 1n;
  });
  const [word, length, half] = [8, 64, 256];
  try {
    launch(context, queue, options, 'mirrorspace_probe', low.address, secret);
    checkStatus(
      'clEnqueueSVMMemcpy',
      cl.clEnqueueSVMMemcpy(queue, 0, low.address + half * word, high.address, length, 0, null, null),
    );
    checkStatus(
      'clEnqueueSVMMemFill',
      cl.clEnqueueSVMMemFill(
        queue,
        high.address + half * word,
        new Uint8Array([0xa5]),
        1,
        length,
        0,
        null,
        null,
      ),
    );
    checkStatus('clFinish', cl.clFinish(queue));
  } catch (cause) {
    throw refused(context, memory, String(cause), { cause });
  }
  const copied = low.words.subarray(half, half + 4);
  const right = memory.onHost(
    () =>
      high.words[0] === secret &&
      high.words[1] === here &&
      high.words[2] === there &&
      high.words[3] === 8n &&
      low.words[PROBE_WORD.HERE] === here &&
      low.words[PROBE_WORD.SECRET] === secret + 1n &&
      low.words[PROBE_WORD.COUNTER] === 7n &&
      copied.every((value, i) => value === high.words[i]) &&
      high.words.subarray(half, half + length / word).every((value) => value === 0xa5a5a5a5a5a5a5a5n),
  );
  if (!right) throw refused(context, memory, 'a kernel that was given them did not load and store there');
}

async function probeConcurrency(
  context: DriverContext,
  queue: Handle,
  options: ProbeOptions,
  { address, words }: ProbePage,
): Promise<boolean> {
  const { cl } = context;
  launch(context, queue, options, 'mirrorspace_probe_concurrent', address, PATIENCE);
  checkStatus('clFlush', cl.clFlush(queue));
  const ints = new Int32Array(words.buffer);
  let ended = false;
  const done = queueEnd(context, queue).finally(() => {
    ended = true;
  });
  // Its stores are seen while it runs, or never.
  while (!ended && Atomics.load(ints, 2 * PROBE_WORD.RUNNING) !== 1)
    await new Promise((resolve) => setImmediate(resolve));
  const seen = !ended;
  Atomics.store(ints, 2 * PROBE_WORD.ANSWER, 1);
  await done;
  return seen && words[PROBE_WORD.SEEN] === 1n;
}

/** Resolves when the queue is empty, without blocking this thread. */
async function queueEnd({ cl }: DriverContext, queue: Handle): Promise<void> {
  const event = new BigUint64Array(1);
  checkStatus('clEnqueueMarkerWithWaitList', cl.clEnqueueMarkerWithWaitList(queue, 0, null, event));
  const status = await cl.clWaitForEventsAsync(1, event);
  cl.clReleaseEvent(Number(event[0]));
  checkStatus('clWaitForEvents', status);
}

function refused(
  { info }: DriverContext,
  { what, missing }: ProbeMemory,
  why: string,
  options: { cause?: unknown } = {},
): UnsupportedError {
  return new UnsupportedError(
    missing,
    `The OpenCL device '${info.name}' of '${info.platform.name}' does not take pointers to ${what}: ${why}`,
    options,
  );
}
