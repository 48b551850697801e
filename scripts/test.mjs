// Runs the tests in test/, all of them or those whose path contains an argument, and exits with the runner's status.
// With --refuse-userfaultfd they run as in a container whose seccomp profile forbids that call.
// The runner of Node 20 takes no globs, so the files are found here.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Milliseconds after which a file of tests is given up: one that hangs must not hang everything. */
const LONGEST = 900_000;
const REFUSE = '--refuse-userfaultfd';
// What a program prints into a pipe is compared, and who runs the tests may want colours of all that they start.
delete process.env.FORCE_COLOR;
const words = process.argv.slice(2).filter((word) => word !== REFUSE);
if (process.argv.includes(REFUSE)) {
  await import('../test/fixtures/programs/refuse-userfaultfd.mjs');
  process.env.MIRRORSPACE_REFUSED = 'userfaultfd';
}
const files = readdirSync(new URL('../test', import.meta.url), { recursive: true })
  .map((name) => `test/${name}`)
  .filter(
    (name) => name.endsWith('.test.ts') && (words.length === 0 || words.some((word) => name.includes(word))),
  )
  .sort();
if (files.length === 0) {
  console.error(`no test file's path contains ${words.join(' or ')}`);
  process.exit(1);
}
const { status } = spawnSync(
  process.execPath,
  [
    ...['--import', 'tsx', '--test', '--test-concurrency=2', '--test-reporter=spec'],
    `--test-timeout=${LONGEST}`,
    ...files,
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
