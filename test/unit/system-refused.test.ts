/**
 * System SVM where the system does not allow what it needs: as children, since a refused call stays refused. Without
 * userfaultfd (a container), and where descriptors of a child can't be taken (ptrace refused), a device reaches what is
 * declared, and says so.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { capabilityNames, type SystemCounters } from 'mirrorspace';
import { runProgram } from '../fixtures/run-child.ts';

interface Said {
  readonly warnings: readonly { readonly name: string; readonly message: string }[];
  readonly paging: string;
  readonly faults: string;
  readonly capabilities: number;
  readonly elsewhere: boolean;
  readonly read: boolean;
  readonly stored: number;
  readonly counters: SystemCounters;
  readonly argument: unknown;
  readonly far: number;
  readonly undeclared: { readonly code: string; readonly errno?: string; readonly address?: number };
  readonly again: number;
  readonly demanded: { readonly code: string; readonly missing: string; readonly errno: string };
}

const nobody = { uid: 65534, gid: 65534 };

async function refused(call: string): Promise<Said> {
  // Root may trace whatever it likes.
  const user = call === 'trace' && process.getuid!() === 0 ? { user: nobody } : {};
  const { end, said, stderr } = await runProgram('system-refused.mjs', [call], user);
  assert.equal(end, 0, stderr);
  const [found] = said as [Said];
  assert.equal(found.paging, 'declared');
  assert.ok(!capabilityNames(found.capabilities).includes('SYSTEM_ALLOCATED'));
  const { elsewhere, read, stored, again } = found;
  assert.deepEqual(
    { elsewhere, read, stored, again },
    { elsewhere: true, read: true, stored: 17, again: 18 },
  );
  const { faults, writtenBackBytes, declaredBytes } = found.counters;
  assert.deepEqual({ faults, writtenBackBytes }, { faults: 0, writtenBackBytes: 1 });
  assert.ok(declaredBytes >= 20_000, `${declaredBytes} bytes of 20,000 were copied`);
  const [first] = found.warnings;
  assert.equal(first?.name, 'MirrorspaceWarning');
  assert.match(first.message, /'proc' reaches only what 'mirror.pin' declares/);
  assert.deepEqual(found.argument, { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' });
  return found;
}

const skip = process.env.MIRRORSPACE_REFUSED === 'userfaultfd' && 'refused to all tests already';

describe('a device that is to reach system memory', () => {
  it('where userfaultfd is refused has what is declared; a kernel that strays from it costs the device', async () => {
    const { faults, undeclared, demanded, warnings } = await refused('userfaultfd');
    assert.equal(faults, 'trap');
    assert.ok(['ERR_MIRROR_DEVICE_LOST', 'ERR_MIRROR_DEVICE_FAULT'].includes(undeclared.code));
    assert.match(warnings[0]!.message, /userfaultfd/);
    assert.deepEqual(demanded, { code: 'ERR_MIRROR_UNSUPPORTED', missing: 'userfaultfd', errno: 'EPERM' });
  });

  it('where descriptors of a child are refused has what is declared; a kernel that strays faults', {
    skip,
  }, async () => {
    const { faults, far, undeclared, demanded, warnings } = await refused('pidfd_getfd');
    assert.equal(faults, 'userfaultfd');
    assert.deepEqual(undeclared, {
      name: 'DeviceFault',
      code: 'ERR_MIRROR_DEVICE_FAULT',
      errno: 'EFAULT',
      address: far,
    });
    assert.equal(warnings.length, 1, JSON.stringify(warnings));
    assert.match(warnings[0]!.message, /pidfd_getfd.*EPERM.*ptrace_scope/s);
    assert.deepEqual(demanded, { code: 'ERR_MIRROR_UNSUPPORTED', missing: 'system SVM', errno: 'EPERM' });
  });

  it('where the kernel refuses to let it trace a child that keeps its memory to itself has what is declared', {
    skip,
  }, async (t) => {
    if (
      process.getuid!() === 0 &&
      spawnSync(process.execPath, ['-e', 'import("mirrorspace")'], nobody).status !== 0
    )
      return t.skip('another user may not read this folder, and root may trace whatever it likes');
    const { faults, far, undeclared, demanded, warnings } = await refused('trace');
    assert.equal(faults, 'userfaultfd');
    assert.deepEqual([undeclared.code, undeclared.address], ['ERR_MIRROR_DEVICE_FAULT', far]);
    assert.equal(warnings.length, 1, JSON.stringify(warnings));
    assert.match(warnings[0]!.message, /pidfd_getfd.*EPERM.*ptrace_scope/s);
    assert.deepEqual(demanded, { code: 'ERR_MIRROR_UNSUPPORTED', missing: 'system SVM', errno: 'EPERM' });
  });

  for (const call of ['process_vm_readv', 'process_vm_writev'])
    it(`where ${call} is refused is not opened: nothing else copies memory without a risk to crash`, async () => {
      const { end, stderr } = await runProgram('system-refused.mjs', [call]);
      assert.equal(end, 1, stderr);
      assert.match(stderr, /UnsupportedError: This process may not copy memory by system calls/);
      assert.ok(stderr.includes(`${call}(`) && stderr.includes("missing: 'system SVM'"), stderr);
    });
});
