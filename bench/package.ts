/**
 * What the package costs whoever uses it: its size, packed and unpacked, and the time to import it, beside a Node that
 * imports nothing; the time of the command line's shortest answer.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beside, median, type Row, rounded } from './rows.ts';
import { wallOnce } from './startup.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const GROUP = 'package';

export async function packageCost(quick: boolean): Promise<Row[]> {
  const contenders: [string, string[]][] = [
    ['', ['--input-type=module', '-e', '']],
    ...['', '/mm', '/layout', '/placement'].map((entry): [string, string[]] => [
      `import 'mirrorspace${entry}'`,
      ['--input-type=module', '-e', `import 'mirrorspace${entry}'`],
    ]),
    ['mirrorspace --version', ['dist/cli/main.js', '--version']],
  ];
  // In turns: what slows the machine for a while slows all of them. The first round does not count.
  const times = contenders.map((): number[] => []);
  for (let round = 0; round <= (quick ? 3 : 15); round++)
    for (const [i, [, args]] of contenders.entries()) {
      const time = wallOnce(args, root);
      if (round > 0) times[i]!.push(time);
    }
  const [bare = 0, ...ours] = times.map(median);
  return [
    ...sizes(),
    ...ours.map((time, i) =>
      beside(
        { group: GROUP, what: contenders[i + 1]![0], unit: 'ms', ours: rounded(time) },
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
