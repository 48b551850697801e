/**
 * What page faults and system SVM rest on, tried: userfaultfd with its features and rights, tracking of written pages,
 * and what a parent may do with its child (Yama's ptrace scope).
 *
 * @module
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { viewMemory } from '../../ffi/library.ts';
import { close } from '../../linux/memfd.ts';
import {
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  mmap,
  munmap,
  PROT_READ,
  PROT_WRITE,
  pageSize,
} from '../../linux/mmap.ts';
import { takeDescriptor } from '../../linux/other-process.ts';
import { PageMap } from '../../linux/page-map.ts';
import { pidfdOpen } from '../../linux/process.ts';
import {
  openUserfaultfd,
  registerRange,
  UFFD_FEATURE_EXACT_ADDRESS,
  UFFD_FEATURE_MINOR_SHMEM,
  UFFD_FEATURE_THREAD_ID,
  UFFD_FEATURE_WP_ASYNC,
  UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
  UFFD_FEATURE_WP_UNPOPULATED,
  UFFDIO_REGISTER_MODE_WP,
  userfaultfdFeatures,
  writeProtect,
} from '../../linux/userfaultfd.ts';
import { examine, type Look, type SystemFinding } from './finding.ts';

const ALLOW =
  "in Docker: --security-opt seccomp=FILE with a profile that allows 'userfaultfd' (or seccomp=unconfined to try); elsewhere a kernel with CONFIG_USERFAULTFD";

/** What the devices' pagers ask for, by the kernel's names, and since when Linux has it. */
const FEATURES: readonly (readonly [id: string, bit: bigint, since: string, purpose: string])[] = [
  ['thread-id', UFFD_FEATURE_THREAD_ID, '4.14', 'which core of a device has faulted'],
  ['minor-shmem', UFFD_FEATURE_MINOR_SHMEM, '5.14', 'pages that the file has are mapped without a copy'],
  ['exact-address', UFFD_FEATURE_EXACT_ADDRESS, '5.18', 'a fault names the byte, not only the page'],
  [
    'wp-shmem',
    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
    '5.19',
    "buffers that a device may only read: access: 'read'",
  ],
  ['wp-unpopulated', UFFD_FEATURE_WP_UNPOPULATED, '6.4', 'system SVM without copying what has not changed'],
  ['wp-async', UFFD_FEATURE_WP_ASYNC, '6.7', 'system SVM without copying what has not changed'],
];

export function faultFindings(): SystemFinding[] {
  return [userfaultfd(), ...features(), rights(), tracking(), childAccess()];
}

function userfaultfd(): SystemFinding {
  const subject = {
    id: 'userfaultfd',
    group: 'faults',
    purpose: "a kernel's wild access is an error with its address, and nothing else",
  } as const;
  return examine(subject, ALLOW, () => {
    const features = userfaultfdFeatures(false);
    if (typeof features === 'bigint') return 'for faults in user mode, without any privilege';
    return {
      status: 'missing',
      found: `the call is refused: ${features}. Devices work by memory protection instead`,
    };
  });
}

function features(): SystemFinding[] {
  const there = userfaultfdFeatures(false);
  return FEATURES.map(([id, bit, since, purpose]) =>
    examine({ id: `userfaultfd-${id}`, group: 'faults', purpose }, `use Linux ${since} or newer`, () => {
      if (typeof there === 'string')
        return { status: 'missing', found: `no userfaultfd: ${there}`, remedy: ALLOW };
      return there & bit ? 'there' : { status: 'missing', found: 'this kernel does not have it' };
    }),
  );
}

function rights(): SystemFinding {
  const subject = {
    id: 'userfaultfd-kernel-faults',
    group: 'faults',
    purpose: 'nothing in Mirrorspace needs it: faults of system calls (EFAULT without it)',
  } as const;
  return examine(subject, undefined, () => {
    const features = userfaultfdFeatures(true);
    if (typeof features === 'bigint') return 'allowed to this user';
    let device = 'none that this user may open';
    try {
      accessSync('/dev/userfaultfd', constants.R_OK | constants.W_OK);
      device = 'may be opened';
    } catch {
      // As said.
    }
    return `not allowed to this user (${features}); /dev/userfaultfd: ${device}`;
  });
}

/** One of two pages is written; the kernel has to name that page, and no other. */
function tracking(): SystemFinding {
  const subject = {
    id: 'pagemap-scan',
    group: 'faults',
    purpose: 'system SVM finds the pages that the host has written (Linux 6.7)',
  } as const;
  return examine(
    subject,
    'use Linux 6.7 or newer; without it every launch copies afresh what it touches',
    () => {
      const page = pageSize();
      const fd = openUserfaultfd(UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED);
      const at = mmap(0, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      let pages: PageMap | undefined;
      try {
        const range = { start: at, end: at + 2 * page };
        registerRange(fd, at, 2 * page, UFFDIO_REGISTER_MODE_WP);
        const refused = writeProtect(fd, at, 2 * page, true);
        if (refused !== '') throw new Error(`write protection is refused: ${refused}`);
        pages = new PageMap('self');
        new Uint8Array(viewMemory(at, 2 * page))[page] = 1;
        const written = pages.scan(range, 'written');
        if (written?.length !== 1 || written[0]!.start !== at + page || written[0]!.end !== range.end)
          throw new Error(`one page was written, and the kernel names ${JSON.stringify(written)}`);
        return 'a written page was told from one that was not';
      } finally {
        pages?.close();
        close(fd);
        munmap(at, 2 * page);
      }
    },
  );
}

/** A descriptor is taken out of a child: the right that PTRACE_MODE_ATTACH gives. */
function childAccess(): SystemFinding {
  const subject = {
    id: 'ptrace-scope',
    group: 'faults',
    purpose: "system SVM: the host answers its device's page faults",
  } as const;
  const remedy =
    'sudo sysctl kernel.yama.ptrace_scope=1; in Docker a seccomp profile that allows pidfd_getfd';
  return examine(subject, remedy, () => {
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], { stdio: 'ignore' });
    child.unref();
    child.on('error', () => {});
    const said = `ptrace_scope is ${scope()}`;
    try {
      if (child.pid === undefined) throw new Error('no child could be started');
      const pidfd = pidfdOpen(child.pid);
      try {
        close(takeDescriptor(pidfd, 0));
        return `${said}, and a descriptor of a child could be taken`;
      } finally {
        close(pidfd);
      }
    } catch (error) {
      const look: Look = { status: 'missing', found: `${said}: ${(error as Error).message}` };
      return look;
    } finally {
      child.kill('SIGKILL');
    }
  });
}

function scope(): string {
  try {
    return readFileSync('/proc/sys/kernel/yama/ptrace_scope', 'latin1').trim();
  } catch {
    return 'not there (no Yama)';
  }
}
