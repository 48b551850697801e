/**
 * How much memory is left, read from files as the kernel writes them: the machine, control groups of both versions.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { memoryLeft } from '../../src/linux/memory-left.ts';

const GiB = 2 ** 30;
const machine = (available: number, swap = 0): Record<string, string> => ({
  '/proc/meminfo': `MemTotal:  ${16 * 2 ** 20} kB\nMemAvailable:   ${available / 1024} kB\nSwapFree:  ${swap / 1024} kB\n`,
});
const left = (...files: Record<string, string>[]) => {
  const all = Object.assign({}, ...files) as Record<string, string>;
  return memoryLeft((path) => all[path]);
};

describe('memoryLeft', () => {
  test('is what the machine has available, and its swap', () => {
    assert.deepEqual(left(machine(3 * GiB, GiB)), { bytes: 4 * GiB, of: 'this machine' });
    assert.equal(left({}).bytes, Number.POSITIVE_INFINITY);
    assert.ok(memoryLeft().bytes > 0);
  });

  const v2 = {
    '/proc/self/cgroup': '0::/user/app\n',
    '/proc/self/mountinfo': '30 23 0:26 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n',
  };

  test('is less where a control group of version 2, or one around it, allows less', () => {
    const inner = {
      '/sys/fs/cgroup/user/app/memory.max': `${2 * GiB}\n`,
      '/sys/fs/cgroup/user/app/memory.current': `${GiB}\n`,
      '/sys/fs/cgroup/user/app/memory.stat': `anon 5\nactive_file 7\ninactive_file ${GiB / 4}\n`,
    };
    assert.deepEqual(left(machine(8 * GiB), v2, inner), {
      bytes: 1.25 * GiB,
      of: 'control group /user/app',
    });
    const outer = {
      '/sys/fs/cgroup/user/memory.max': `${GiB}\n`,
      '/sys/fs/cgroup/user/memory.current': `${2 * GiB}\n`,
    };
    assert.deepEqual(left(machine(8 * GiB), v2, inner, outer), { bytes: 0, of: 'control group /user' });
    assert.equal(left(machine(GiB), v2, inner).of, 'this machine');
  });

  test('counts the swap that a group may use, and no limit as none', () => {
    const group = {
      '/sys/fs/cgroup/user/app/memory.max': `${GiB}\n`,
      '/sys/fs/cgroup/user/app/memory.current': `${GiB}\n`,
      '/sys/fs/cgroup/user/app/memory.swap.max': `${2 * GiB}\n`,
      '/sys/fs/cgroup/user/app/memory.swap.current': `${1.5 * GiB}\n`,
    };
    assert.equal(left(machine(8 * GiB, 8 * GiB), v2, group).bytes, GiB / 2);
    assert.equal(left(machine(8 * GiB, GiB / 4), v2, group).bytes, GiB / 4);
    assert.equal(
      left(machine(8 * GiB), v2, { '/sys/fs/cgroup/user/app/memory.max': 'max\n' }).bytes,
      8 * GiB,
    );
  });

  test('reads version 1 where that has the memory controller, below the root that is mounted', () => {
    const v1 = {
      '/proc/self/cgroup': '5:cpu,cpuacct:/a\n4:memory:/docker/abc/sub\n0::/\n',
      '/proc/self/mountinfo':
        '1 0 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n2 0 0:2 /docker/abc /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': `${3 * GiB}\n`,
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': `${GiB}\n`,
      '/sys/fs/cgroup/memory/memory.stat': 'inactive_file 9\ntotal_inactive_file 4096\n',
      '/sys/fs/cgroup/memory/sub/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/memory/sub/memory.usage_in_bytes': '0\n',
    };
    assert.deepEqual(left(machine(8 * GiB), v1), {
      bytes: 2 * GiB + 4096,
      of: 'control group /docker/abc',
    });
    const elsewhere = { '/proc/self/cgroup': '4:memory:/other\n' };
    assert.equal(left(machine(8 * GiB), v1, elsewhere).of, 'this machine');
  });
});
