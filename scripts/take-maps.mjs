// Takes /proc/PID/maps of programs that are installed here, while they wait for input, into test/fixtures/mm-maps/.
// Programs that are not there are passed over, and so is a picture that names a file outside the system's folders.
//
//     node scripts/take-maps.mjs [name...]
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../test/fixtures/mm-maps/', import.meta.url));
const work = mkdtempSync(`${tmpdir()}/take-maps-`);
writeFileSync(
  `${work}/Wait.java`,
  'class Wait { public static void main(String[] a) throws Exception { System.in.read(); } }',
);

// A server of a database made for it; it refuses to be root.
const nobody = process.getuid() === 0 ? { uid: 65534, gid: 65534 } : {};
const database = `${work}/database`;
const postgres = spawnSync('sh', ['-c', 'ls -d /usr/lib/postgresql/*/bin'], { encoding: 'utf8' })
  .stdout.trim()
  .split('\n')
  .at(-1);
mkdirSync(database);
if (nobody.uid) for (const path of [work, database]) chownSync(path, nobody.uid, nobody.gid);
if (postgres)
  spawnSync(`${postgres}/initdb`, ['-D', database, '-A', 'trust', '-N'], {
    ...nobody,
    cwd: '/',
    stdio: 'ignore',
  });

/** Program and arguments; each goes on waiting for its standard input. */
const programs = {
  awk: ['/usr/bin/awk', '{ print }'],
  bash: ['/bin/bash'],
  cat: ['/bin/cat'],
  cc1: [
    spawnSync('cc', ['-print-prog-name=cc1'], { encoding: 'utf8' }).stdout?.trim() ?? 'cc1',
    '-quiet',
    '-',
  ],
  // Its own program: /usr/bin/chromium is a script. Pages, profile and caches stay in memory or in the work folder.
  chromium: [
    '/usr/lib/chromium/chromium',
    ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--remote-debugging-port=0'],
    `--user-data-dir=${work}/profile`,
    'about:blank',
  ],
  gdb: ['/usr/bin/gdb', '-q', '-nx'],
  git: ['/usr/bin/git', '-C', '/', 'hash-object', '--stdin'],
  java: ['/usr/bin/java', '-XX:-UsePerfData', `${work}/Wait.java`],
  node: ['/usr/bin/node', '-e', 'process.stdin.resume()'],
  openssl: ['/usr/bin/openssl', 'sha256'],
  perl: ['/usr/bin/perl', '-MPOSIX', '-e', '<STDIN>'],
  postgres: [`${postgres}/postgres`, '--single', '-D', database, 'postgres'],
  python: ['/usr/bin/python3', '-S', '-c', 'import ssl, sqlite3, ctypes; input()'],
  sqlite: ['/usr/bin/sqlite3', ':memory:'],
};

/** The maps once they have not changed for a while. */
async function settled(pid) {
  for (let before = '', same = 0, turn = 0; turn < 100; turn++) {
    await sleep(100);
    const text = readFileSync(`/proc/${pid}/maps`, 'latin1');
    same = text === before ? same + 1 : 0;
    if (same === 10) return text;
    before = text;
  }
  throw new Error('it does not come to rest');
}

// Shared memory of System V has a key for a name.
// A profile of chromium's lies in the folder of this run.
const SYSTEM =
  /^(\/tmp\/run\/|\/usr\/(bin|lib|lib64|libexec|share)\/|\/(bin|lib|lib64|dev)\/|\/var\/cache\/|\/memfd:|\/SYSV|\[|$)/;

mkdirSync(folder, { recursive: true });
for (const [name, [command, ...args]] of Object.entries(programs)) {
  if (process.argv.length > 2 && !process.argv.includes(name, 2)) continue;
  const env = { PATH: '/usr/bin:/bin', HOME: work, LC_ALL: 'C' };
  const as = name === 'postgres' ? nobody : {};
  const child = spawn(command, args, {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
    env,
    ...as,
  });
  child.stdin.on('error', () => {});
  try {
    if (!child.pid) throw new Error('it is not installed');
    const text = (await settled(child.pid)).replaceAll(work, '/tmp/run');
    const foreign = text
      .split('\n')
      .map((line) => line.slice(73))
      .find((path) => !SYSTEM.test(path));
    if (foreign) throw new Error(`it maps ${foreign}`);
    writeFileSync(`${folder}${name}.maps`, text);
    console.log(`${name}: ${text.split('\n').length - 1} VMAs`);
  } catch (error) {
    console.log(`${name}: none, ${error.message}`);
  } finally {
    child.on('error', () => {});
    // With the processes that it has started.
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
  }
}
rmSync(work, { recursive: true });
console.log(`${readdirSync(folder).length} in ${folder}`);
