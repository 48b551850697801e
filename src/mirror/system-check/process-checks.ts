/**
 * The runtime and the limits of this process: platform, Node, the foreign function interface, waiting in shared memory,
 * cores, mappings, descriptors, processes.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { addressOf } from '../../ffi/library.ts';
import { futexSleep, futexWake } from '../../linux/futex.ts';
import { mapLimit } from '../../linux/map-count.ts';
import { pageSize } from '../../linux/mmap.ts';
import { threadId } from '../../linux/process.ts';
import { readMaps } from '../../linux/process-maps.ts';
import { checkPlatform } from '../platform.ts';
import { examine, type Look, type SystemFinding } from './finding.ts';

export function runtimeFindings(): SystemFinding[] {
  return [platform(), node(), foreignCalls(), waiting(), cores()];
}

export function limitFindings(): SystemFinding[] {
  return [mappings(), ...resourceLimits()];
}

function platform(): SystemFinding {
  const subject = { id: 'platform', group: 'runtime', required: true, purpose: 'mirrors at all' } as const;
  return examine(subject, undefined, () => {
    checkPlatform();
    return `Linux ${release()} on ${process.arch}`;
  });
}

function node(): SystemFinding {
  const subject = { id: 'node', group: 'runtime', required: true, purpose: 'the runtime' } as const;
  return examine(subject, 'npx --package=node@24 -- node ..., or https://nodejs.org', () => {
    const [major] = process.versions.node.split('.').map(Number);
    if (major! < 20) return { status: 'missing', found: `Node ${process.version}; 20 is the least` };
    if ('typescript' in process.features && process.features.typescript !== false)
      return `Node ${process.version}`;
    const found = `Node ${process.version}: kernels of the process device are plain JavaScript; 22.18 and newer take TypeScript`;
    return { status: 'limited', found };
  });
}

function foreignCalls(): SystemFinding {
  const subject = {
    id: 'ffi',
    group: 'runtime',
    required: true,
    purpose: 'system calls from JavaScript',
  } as const;
  return examine(
    subject,
    'npm install, without --omit=optional: koffi brings a binary for each platform',
    () => {
      const id = threadId();
      if (isMainThread !== (id === process.pid))
        throw new Error(`gettid gives ${id} in process ${process.pid}`);
      return `koffi calls the C library; pages are of ${pageSize()} bytes`;
    },
  );
}

function waiting(): SystemFinding {
  const subject = {
    id: 'futex',
    group: 'runtime',
    required: true,
    purpose: 'waiting for devices and for other processes',
  } as const;
  return examine(subject, 'allow futex in the seccomp profile', () => {
    const word = new Int32Array(32);
    word[0] = 1;
    const at = addressOf(word);
    if (futexSleep(at, 2, 1000) !== 'not-equal') throw new Error('it sleeps on a word of another value');
    if (futexSleep(at, 1, 1) === 'not-equal') throw new Error('it does not sleep');
    if (futexWake(at, 1) !== 0) throw new Error('it woke somebody who was not there');
    return 'sleeps, times out and wakes';
  });
}

function cores(): SystemFinding {
  const subject = {
    id: 'cores',
    group: 'runtime',
    purpose: 'cores of devices beside the host thread',
  } as const;
  return examine(subject, 'give the machine or the container two processors', () => {
    const usable = availableParallelism();
    const found = `${usable} of ${cpus().length} processors may be used`;
    return usable < 2 ? { status: 'limited', found } : found;
  });
}

function mappings(): SystemFinding {
  const subject = {
    id: 'max-map-count',
    group: 'limits',
    purpose: 'a buffer is a mapping, or a part of one',
  } as const;
  return examine(subject, 'sudo sysctl vm.max_map_count=262144', () => {
    const limit = mapLimit();
    const used = readMaps('self').trimEnd().split('\n').length;
    const found = `${limit}, of which this process has ${used}`;
    return limit < 65530 ? { status: 'limited', found } : found;
  });
}

interface Limit {
  readonly id: string;
  /** In /proc/PID/limits. */
  readonly name: string;
  readonly purpose: string;
  /** Below this it is worth a word. */
  readonly enough: number;
  readonly remedy: string;
}

const LIMITS: readonly Limit[] = [
  {
    id: 'rlimit-as',
    name: 'Max address space',
    purpose: 'windows of devices reserve addresses',
    enough: Number.POSITIVE_INFINITY,
    remedy: 'ulimit -v unlimited',
  },
  {
    id: 'rlimit-fsize',
    name: 'Max file size',
    purpose: 'the highest address that a buffer can have',
    enough: 2 ** 47,
    remedy: 'ulimit -f unlimited',
  },
  {
    id: 'rlimit-nofile',
    name: 'Max open files',
    purpose: 'descriptors: about ten for a mirror with a device',
    enough: 256,
    remedy: 'ulimit -n 4096',
  },
  {
    id: 'rlimit-nproc',
    name: 'Max processes',
    purpose: 'devices are processes with a thread for each core',
    enough: 256,
    remedy: 'ulimit -u 4096',
  },
];

function resourceLimits(): SystemFinding[] {
  return LIMITS.map(({ id, name, purpose, enough, remedy }) =>
    examine({ id, group: 'limits', purpose }, remedy, (): Look => {
      const text = readFileSync('/proc/self/limits', 'latin1');
      const line = text.split('\n').find((each) => each.startsWith(name));
      const soft = line?.slice(name.length).trim().split(/ +/)[0];
      if (soft === undefined) return { status: 'limited', found: 'not told', remedy: 'ulimit -a' };
      const value = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
      return value < enough ? { status: 'limited', found: soft } : soft;
    }),
  );
}
