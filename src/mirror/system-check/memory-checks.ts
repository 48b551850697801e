/**
 * What mirrored memory is made of, tried: a memory file mapped at the address that is its offset, mappings that replace
 * nothing, holes, large reservations, huge pages. All of it in memory of its own, which is given back.
 *
 * @module
 */
import { formatBytes, hex } from '../../errors.ts';
import { viewMemory } from '../../ffi/library.ts';
import { hugeBytes, hugePageSize, sharedHugePages } from '../../linux/huge-pages.ts';
import {
  addSeals,
  close,
  F_SEAL_SHRINK,
  ftruncate,
  memfdCreate,
  punchHole,
  tryFtruncate,
} from '../../linux/memfd.ts';
import { memoryLeft } from '../../linux/memory-left.ts';
import {
  MADV_HUGEPAGE,
  MAP_ANONYMOUS,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  madvise,
  mmap,
  mmapNoReplace,
  munmap,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from '../../linux/mmap.ts';
import { GiB, MiB, TiB } from '../../mm/address.ts';
import { examine, type SystemFinding } from './finding.ts';

const READ_WRITE = PROT_READ | PROT_WRITE;
const ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
const FULL_ARENA = 2 ** 47;

export function memoryFindings(): SystemFinding[] {
  return [identity(), noReplace(), arenaSize(), reservation(), hugePages(), available()];
}

function identity(): SystemFinding {
  const subject = {
    id: 'memfd',
    group: 'memory',
    required: true,
    purpose: 'the file behind all buffers, mapped where the address is the offset',
  } as const;
  return examine(subject, 'allow memfd_create in the seccomp profile of the container', () => {
    const fd = memfdCreate('mirrorspace-check');
    const page = pageSize();
    const there = mmap(0, 2 * page, PROT_NONE, ANONYMOUS, -1, 0);
    munmap(there, 2 * page);
    let other = 0;
    try {
      ftruncate(fd, there + 2 * page);
      addSeals(fd, F_SEAL_SHRINK);
      if (!mmapNoReplace(there, page, READ_WRITE, MAP_SHARED, fd, there))
        throw new Error(`${hex(there)} was taken meanwhile: try again`);
      other = mmap(0, page, READ_WRITE, MAP_SHARED, fd, there);
      const [mine, twin] = [there, other].map((at) => new Uint32Array(viewMemory(at, page)));
      mine![0] = 0xc0ffee;
      if (twin![0] !== 0xc0ffee) throw new Error('two mappings of one file do not share their bytes');
      punchHole(fd, there, page);
      if (mine![0] !== 0) throw new Error('a hole in the file left its bytes in the mapping');
      return `sealed, mapped at ${hex(there)} and once more, and emptied by a hole`;
    } finally {
      // What was not mapped is not unmapped: somebody else may be there.
      if (other !== 0) {
        munmap(other, page);
        munmap(there, page);
      }
      close(fd);
    }
  });
}

function noReplace(): SystemFinding {
  const subject = {
    id: 'map-fixed-noreplace',
    group: 'memory',
    required: true,
    purpose: 'a buffer never replaces what is mapped already (Linux 4.17)',
  } as const;
  return examine(subject, 'use Linux 5.19 or newer', () => {
    const page = pageSize();
    const taken = mmap(0, page, PROT_NONE, ANONYMOUS, -1, 0);
    try {
      if (mmapNoReplace(taken, page, PROT_NONE, ANONYMOUS, -1, 0)) throw new Error('it replaced a mapping');
      return `a taken page at ${hex(taken)} was left alone`;
    } finally {
      munmap(taken, page);
    }
  });
}

function arenaSize(): SystemFinding {
  const subject = {
    id: 'arena-size',
    group: 'memory',
    purpose: 'buffers at any address: the file reaches over all of user space, and takes no memory',
  } as const;
  return examine(subject, 'ulimit -f unlimited (RLIMIT_FSIZE)', () => {
    const fd = memfdCreate('mirrorspace-check');
    try {
      if (tryFtruncate(fd, FULL_ARENA)) return `${formatBytes(FULL_ARENA)}`;
      let size = FULL_ARENA / 2;
      while (size > 1 && !tryFtruncate(fd, size)) size /= 2;
      return { status: 'limited', found: `${formatBytes(size)}: buffers lie below ${hex(size)}` };
    } finally {
      close(fd);
    }
  });
}

function reservation(): SystemFinding {
  const subject = {
    id: 'address-space',
    group: 'memory',
    purpose: 'windows of devices: 4 GiB for a wasm device, all free addresses for a process device',
  } as const;
  const remedy =
    'ulimit -v unlimited (RLIMIT_AS), and sysctl vm.overcommit_memory=0 where it is 2; or give the device a narrow window';
  return examine(subject, remedy, () => {
    for (const size of [64 * TiB, 1 * TiB, 8 * GiB]) {
      let at: number;
      try {
        at = mmap(0, size, READ_WRITE, ANONYMOUS, -1, 0);
      } catch {
        continue;
      }
      munmap(at, size);
      const found = `${formatBytes(size)} can be reserved`;
      return size === 64 * TiB ? found : { status: 'limited', found: `${found}, and not much more` };
    }
    return { status: 'missing', found: `not even ${formatBytes(8 * GiB)} can be reserved` };
  });
}

function hugePages(): SystemFinding {
  const subject = {
    id: 'huge-pages',
    group: 'memory',
    purpose: 'alloc(..., { hugePages: true }): fewer page faults in large buffers',
  } as const;
  const remedy = 'echo advise | sudo tee /sys/kernel/mm/transparent_hugepage/shmem_enabled';
  return examine(subject, remedy, () => {
    const setting = sharedHugePages();
    if (setting === undefined)
      return {
        status: 'missing',
        found: 'this kernel has none for shared memory',
        remedy: 'a kernel with CONFIG_TRANSPARENT_HUGEPAGE',
      };
    const size = hugePageSize();
    const fd = memfdCreate('mirrorspace-check');
    // Room for one that is aligned, wherever the mapping begins.
    ftruncate(fd, 2 * size);
    const around = mmap(0, 3 * size, PROT_NONE, ANONYMOUS, -1, 0);
    const at = Math.ceil(around / size) * size;
    // In a reservation of its own, so nothing of anybody else's is replaced.
    munmap(at, size);
    try {
      if (!mmapNoReplace(at, size, READ_WRITE, MAP_SHARED, fd, 0))
        return {
          status: 'limited',
          found: `shmem_enabled is '${setting}'; the place to try it was taken meanwhile`,
        };
      madvise(at, size, MADV_HUGEPAGE);
      new Uint8Array(viewMemory(at, size)).fill(1);
      const huge = hugeBytes({ start: at, end: at + size });
      if (huge === size)
        return `shmem_enabled is '${setting}', and ${formatBytes(size)} became one huge page`;
      return {
        status: 'limited',
        found: `shmem_enabled is '${setting}': ${formatBytes(size)} that asked for one got none`,
      };
    } finally {
      munmap(around, 3 * size);
      close(fd);
    }
  });
}

function available(): SystemFinding {
  const subject = {
    id: 'memory',
    group: 'memory',
    purpose: 'bytes of buffers; they take memory when they are first touched',
  } as const;
  return examine(subject, 'end other programs, or raise the memory limit of the control group', () => {
    const { bytes, of } = memoryLeft();
    const found = `${Number.isFinite(bytes) ? formatBytes(bytes) : 'an unknown amount'} left (${of})`;
    return bytes < 256 * MiB ? { status: 'limited', found } : found;
  });
}
