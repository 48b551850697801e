/**
 * Devices under a low hard limit of descriptors, as children of a shell that lowers it for good: each opens and works, or is
 * refused with an error that names the limit. None fails amid its start, and none says anything on standard error.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hardLimit } from '../../src/engine/descriptor-limit.ts';

const program = fileURLToPath(new URL('../fixtures/programs/few-descriptors.mjs', import.meta.url));
const refused = process.env.MIRRORSPACE_REFUSED === 'userfaultfd';

interface Said {
  readonly filled?: number;
  readonly name?: string;
  readonly code?: string;
  readonly errno?: string;
  readonly message?: string;
}

function under(limit: number, kind: string, cores: number): { said: Said; stderr: string } {
  // Descriptors that this process was given, and would hand on, count against the limit.
  const others = 'for fd in $(ls /proc/self/fd); do [ "$fd" -gt 2 ] && eval "exec $fd>&-"; done';
  const { stdout, stderr, status } = spawnSync(
    'bash',
    [
      '--norc',
      '-c',
      `${others}; ulimit -n ${limit} && exec "$@"`,
      'bash',
      process.execPath,
      program,
      kind,
      `${cores}`,
    ],
    { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '' } },
  );
  assert.equal(status, 0, stderr);
  return { said: JSON.parse(stdout) as Said, stderr };
}

describe('a device where RLIMIT_NOFILE is low', () => {
  for (const kind of ['wasm', 'process', 'system'])
    it(`opens and works, or is refused by name, and nothing else: ${kind}`, () => {
      const ends: string[] = [];
      for (const limit of [34, 38, 42, 46, 50, 80]) {
        const { said, stderr } = under(limit, kind, 2);
        const about = `under ${limit}: ${JSON.stringify(said)} ${stderr}`;
        if (!(refused && kind === 'system'))
          assert.equal(stderr.replace(/^.*Warning.*$/gm, '').trim(), '', about);
        ends.push(said.filled === 7 ? 'works' : 'refused');
        if (said.filled === 7) continue;
        assert.equal(said.errno, 'EMFILE', about);
        assert.match(said.message!, /RLIMIT_NOFILE/, about);
        assert.match(said.code!, /^ERR_MIRROR_(UNSUPPORTED|SYSTEM)$/, about);
      }
      assert.deepEqual([ends[0], ends.at(-1)], ['refused', 'works'], ends.join());
      // Once there are enough there are.
      assert.ok(ends.lastIndexOf('refused') < ends.indexOf('works'), ends.join());
    });

  it('is told how many its cores need, and that fewer would do', () => {
    const { said } = under(80, 'process', 16);
    assert.equal(said.name, 'UnsupportedError');
    assert.match(
      said.message!,
      /with 16 cores needs \d+ file descriptors, and RLIMIT_NOFILE allows 80: .*ulimit/,
    );
    assert.equal(under(80, 'process', 4).said.filled, 7);
  });
});

it('the hard limit is read as the kernel writes it', () => {
  const line = (hard: string): string =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 ${hard}              files     \n`;
  assert.deepEqual([line('4096'), line('unlimited'), ''].map(hardLimit), [
    4096,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ]);
});
