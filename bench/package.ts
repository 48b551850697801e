/**
 * What the package costs whoever uses it: its size, packed and unpacked, and the time to import it, beside a Node that
 * imports nothing; the time of the command line's shortest answer.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beside, type Row, rounded } from './rows.ts';
import { wall } from './startup.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const GROUP = 'package';

export async function packageCost(quick: boolean): Promise<Row[]> {
  const rounds = quick ? 3 : 15;
  const bare = wall(['--input-type=module', '-e', ''], rounds);
  const times: [string, string[]][] = [
    ...['', '/mm', '/layout', '/placement'].map((entry): [string, string[]] => [
      `import 'mirrorspace${entry}'`,
      ['--input-type=module', '-e', `import 'mirrorspace${entry}'`],
    ]),
    ['mirrorspace --version', ['dist/cli/main.js', '--version']],
  ];
  return [
    ...sizes(),
    ...times.map(([what, args]) =>
      beside(
        { group: GROUP, what, unit: 'ms', ours: rounded(wall(args, rounds, root)) },
        'a module that imports nothing',
        bare,
      ),
    ),
  ];
}

/** What npm says of a package, in bytes. */
interface Packed {
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

/** As npm counts them. */
function sizes(): Row[] {
  const args = ['pack', '--dry-run', '--ignore-scripts', '--json'];
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  const [packed] = JSON.parse(stdout) as [Packed];
  const { size, unpackedSize, files } = packed;
  const maps = files.filter(({ path }) => path.endsWith('.map')).reduce((sum, file) => sum + file.size, 0);
  const row = (what: string, bytes: number): Row => ({
    group: GROUP,
    what,
    ours: rounded(bytes / 1000),
    unit: 'kB',
  });
  return [
    row('packed', size),
    row('unpacked', unpackedSize),
    row('unpacked, without source maps', unpackedSize - maps),
  ];
}
