/** `mirrorspace doctor` and `checkSystem`: what they find is what is there, also where something is taken away. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkSystem, type SystemFinding } from 'mirrorspace';
import { CLI, cli } from '../fixtures/cli.ts';
import { descriptors, mappings } from '../fixtures/proc.ts';

type Finding = Omit<SystemFinding, 'group'> & { readonly group: string };
interface Report {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

const REFUSE = fileURLToPath(new URL('../fixtures/programs/refuse-userfaultfd.mjs', import.meta.url));

/** The doctor's JSON after some shell commands, with flags for its Node. */
function doctor({ before = ':', flags = '', args = '' }): { status: number | null; report: Report } {
  const { status, stdout, stderr } = spawnSync(
    'bash',
    ['--norc', '-c', `${before}; exec ${process.execPath} ${flags} ${CLI} doctor --json ${args}`],
    { encoding: 'utf8', timeout: 240_000 },
  );
  assert.equal(stderr, '', 'nothing but the report is said');
  return { status, report: JSON.parse(stdout) };
}

function finding({ findings }: Report, id: string): Finding {
  const found = findings.find((each) => each.id === id);
  assert.ok(found, `${id} among ${findings.map((each) => each.id)}`);
  return found;
}

describe('on this machine', () => {
  const { status, report } = doctor({});
  const words = JSON.stringify(report.findings, null, 1);

  test('a device of each kind has run a kernel, and the exit code says so', () => {
    assert.equal(status, 0, words);
    assert.equal(report.ok, true);
    for (const id of ['memfd', 'map-fixed-noreplace', 'futex', 'ffi', 'wasm-device', 'process-device'])
      assert.notEqual(finding(report, id).status, 'missing', words);
    assert.match(finding(report, 'wasm-device').found, /a kernel ran/);
    assert.ok(report.findings.some(({ id }) => id.startsWith('opencl')));
  });

  test('every finding says what it is for, and what is not there has a remedy', () => {
    const ids = report.findings.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length > 25, words);
    for (const { id, status, found, purpose, remedy } of report.findings) {
      assert.ok(found !== '' && purpose !== '', id);
      if (status !== 'ok') assert.ok(remedy, `${id} is ${status}: ${found}`);
    }
  });

  test('limits, cores and versions are those of the kernel', () => {
    const limit = readFileSync('/proc/sys/vm/max_map_count', 'utf8').trim();
    assert.ok(finding(report, 'max-map-count').found.startsWith(`${limit}, `));
    const files = /^Max open files +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))![1];
    assert.equal(finding(report, 'rlimit-nofile').found, files);
    assert.match(finding(report, 'cores').found, new RegExp(`^${availableParallelism()} of `));
    assert.ok(finding(report, 'platform').found.includes(release()));
    assert.ok(finding(report, 'node').found.includes(process.version));
  });

  test('in words there is a mark for each, at most 80 columns but for what is to be copied', () => {
    const { status: told, stdout } = cli('doctor', '--no-devices');
    assert.equal(told, 0);
    assert.match(stdout, /^Runtime\n {2}✔ platform /);
    assert.match(stdout, /The system is fit for mirrors\. \d+ fine, \d+ limited, \d+ missing\.\n$/);
    assert.ok(!stdout.includes('\nDevices'));
    for (const line of stdout.split('\n'))
      assert.ok(line.length <= 80 || line.includes('-> ') || !line.trim().includes(' '), line);
  });
});

describe('where something is taken away', () => {
  test('userfaultfd that seccomp refuses is missing, and devices work without', () => {
    const { status, report } = doctor({ flags: `--import ${REFUSE}` });
    const { status: found, remedy } = finding(report, 'userfaultfd');
    assert.equal(found, 'missing');
    assert.match(remedy!, /seccomp/);
    assert.equal(finding(report, 'userfaultfd-exact-address').status, 'missing');
    assert.equal(finding(report, 'pagemap-scan').status, 'missing');
    assert.equal(finding(report, 'wasm-device').status, 'limited');
    assert.equal(finding(report, 'process-device').status, 'limited');
    assert.equal(finding(report, 'system-svm').status, 'limited');
    assert.match(finding(report, 'system-svm').found, /a kernel read .* pinned/);
    assert.equal(status, 0);
  });

  test('RLIMIT_FSIZE makes the arena as small as it is', () => {
    // In units of 1024 bytes.
    const { report } = doctor({ before: `ulimit -f ${2 ** 30}`, args: '--no-devices' });
    const arena = finding(report, 'arena-size');
    assert.deepEqual([arena.status, arena.found], ['limited', '1 TiB: buffers lie below 0x10000000000']);
    assert.equal(finding(report, 'rlimit-fsize').found, String(2 ** 40));
    assert.equal(finding(report, 'rlimit-fsize').status, 'limited');
  });

  test('RLIMIT_AS leaves no room for windows, and the exit code says that no device works', () => {
    const { status, report } = doctor({ before: `ulimit -v ${6 * 2 ** 20}` });
    assert.equal(finding(report, 'address-space').status, 'missing');
    assert.equal(finding(report, 'rlimit-as').found, String(6 * 2 ** 30));
    assert.equal(finding(report, 'process-device').status, 'missing');
    const devices = report.findings.filter(({ id }) => /-device$|^opencl-/.test(id));
    assert.equal(status, devices.every((device) => device.status === 'missing') ? 1 : 0);
  });

  test('few descriptors are said to be few', () => {
    const { report } = doctor({ before: 'ulimit -n 64', args: '--no-devices' });
    const { status, found } = finding(report, 'rlimit-nofile');
    assert.deepEqual([status, found], ['limited', '64']);
  });
});

test('looking leaves no mapping, no descriptor and no child behind', () => {
  // What is made once and kept: the foreign function interface, buffers of the runtime.
  checkSystem();
  const before = [...descriptors().values()].sort();
  for (let i = 0; i < 5; i++) checkSystem();
  assert.deepEqual([...descriptors().values()].sort(), before);
  assert.deepEqual(
    mappings().filter(({ name }) => name.includes('mirrorspace-check')),
    [],
  );
});

test('bad arguments have exit code 2', () => {
  assert.equal(cli('doctor', 'more').status, 2);
  assert.equal(cli('doctor', '--fix').status, 2);
});
