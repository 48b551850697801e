/**
 * How processes end: whichever way the host goes, its device goes with it and nothing is left; and an open mirror
 * never keeps a program that is done, nor lets one end that is not.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { descriptors, deviceProcesses, eventually, isRunning } from '../fixtures/proc.ts';

/** Far beyond what anything here can take: a test that waits that long has failed. */
const DEADLINE = 30_000;

const path = (name: string) => fileURLToPath(new URL(`../fixtures/programs/${name}`, import.meta.url));

let mirrors = 0;
const programs: Program[] = [];
afterEach(() => {
  for (const program of programs.splice(0)) program.cleanUp();
});

/** A program that runs, its lines, and how it ends. */
class Program {
  /** The name of its mirror, found in /proc wherever something of it is left. */
  readonly mirror = `life-${process.pid}-${mirrors++}`;
  readonly child: ChildProcess;
  readonly said: unknown[] = [];
  complaints = '';
  readonly #exited: Promise<unknown>;
  readonly #closed: Promise<unknown>;

  constructor(scenario: string, options: { detached?: boolean } = {}) {
    this.child = spawn(process.execPath, [path('lives.mjs'), scenario, this.mirror], {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...options,
    });
    programs.push(this);
    this.#exited = once(this.child, 'exit');
    // Comes only when the last process that holds the pipes has: the device inherits them.
    this.#closed = once(this.child, 'close');
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.said.push(JSON.parse(line)));
    this.child.stderr!.on('data', (text) => {
      this.complaints += text;
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The device, once the program has named it. */
  get device(): number {
    const named = this.said.find((what): what is { device: number } => Object(what).device > 0);
    return named?.device ?? 0;
  }

  /** Waits until it has said so. */
  async says(what: string): Promise<void> {
    await eventually(
      `'${what}' of ${this.mirror} (${this.complaints})`,
      () => this.said.includes(what) || this.child.exitCode !== null,
      DEADLINE,
    );
    assert.ok(this.said.includes(what), `${JSON.stringify(this.said)} ${this.complaints}`);
  }

  /** How it ended: its exit code, or the signal. And nothing of it or its device is left. */
  async ended(): Promise<number | string | null> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), DEADLINE);
    await this.#exited;
    clearTimeout(timer);
    assert.equal(isRunning(this.pid), false);
    await eventually(`the end of the device of ${this.mirror}`, () => !isRunning(this.device), DEADLINE);
    await eventually(`the end of ${this.mirror}`, () => whoHolds(this.mirror).length === 0, DEADLINE);
    await this.#closed;
    return this.child.signalCode ?? this.child.exitCode;
  }

  /** A test that has failed leaves nothing running, and nothing that keeps this process. */
  cleanUp(): void {
    for (const pid of whoHolds(this.mirror)) process.kill(pid, 'SIGKILL');
    for (const stream of [this.child.stdin, this.child.stdout, this.child.stderr]) stream?.destroy();
  }
}

/** The processes that still have anything of the mirror: a mapping, a descriptor, its name on their command line. */
function whoHolds(mirror: string): number[] {
  const holders: number[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid || !isRunning(pid)) continue;
    try {
      const texts = [
        readFileSync(`/proc/${pid}/maps`, 'latin1'),
        readFileSync(`/proc/${pid}/cmdline`, 'latin1'),
        ...descriptors(pid).values(),
      ];
      if (texts.some((text) => text.includes(mirror))) holders.push(pid);
    } catch {
      // It has ended meanwhile, or belongs to somebody else.
    }
  }
  return holders;
}

describe('a program that ends without closing its mirror exits by itself, with 0,', () => {
  test('where it has only opened it', async () => {
    const program = new Program('idle');
    assert.equal(await program.ended(), 0, program.complaints);
    assert.ok(program.device > 0);
    assert.equal(program.complaints, '');
  });

  test('where it has awaited its commands', async () => {
    const program = new Program('awaited');
    assert.equal(await program.ended(), 0, program.complaints);
    assert.deepEqual(program.said[1], { counted: true });
    assert.equal(program.complaints, '');
  });

  test('where a view is still alive', async () => {
    const program = new Program('viewed');
    assert.equal(await program.ended(), 0, program.complaints);
    assert.equal(program.complaints, '');
  });

  test('but not before a pending command is done, though nobody waits for it', async () => {
    const program = new Program('pending');
    assert.equal(await program.ended(), 0, program.complaints);
    assert.notDeepEqual(program.said[1], { status: 'complete' });
    assert.deepEqual(program.said[2], { status: 'complete', counted: true });
  });

  test('nor before the free of a buffer that a pending command uses has taken effect', async () => {
    const program = new Program('pendingFree');
    assert.equal(await program.ended(), 0, program.complaints);
    assert.deepEqual(program.said[1], { status: 'complete', items: 10_000_000 });
  });

  test('and where a command has failed and nobody has looked', async () => {
    const program = new Program('failedUnseen');
    assert.equal(await program.ended(), 0, program.complaints);
  });

  test('as does one that closes it', async () => {
    const program = new Program('closed');
    assert.equal(await program.ended(), 0, program.complaints);
    assert.equal(program.complaints, '');
  });
});

describe('with a mirror open and a kernel that never ends', () => {
  test('process.exit(3) exits with 3', async () => {
    const program = new Program('exit3');
    assert.equal(await program.ended(), 3, program.complaints);
    assert.ok(program.said.includes('running'));
  });

  test('process.exit(3) exits with 3 where nothing runs, too', async () => {
    assert.equal(await new Program('exit3Idle').ended(), 3);
  });

  test('an uncaught exception exits with 1 and says what it was', async () => {
    const program = new Program('uncaught');
    assert.equal(await program.ended(), 1);
    assert.match(program.complaints, /nobody catches this/);
  });

  test('an unhandled rejection exits with 1 and says what it was', async () => {
    const program = new Program('rejected');
    assert.equal(await program.ended(), 1);
    assert.match(program.complaints, /nobody catches this either/);
  });

  test('the program stays alive, and so does its device', async () => {
    const program = new Program('running');
    await program.says('running');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(isRunning(program.pid) && isRunning(program.device));
    assert.deepEqual(deviceProcesses(program.pid), [program.device]);
    assert.deepEqual(new Set(whoHolds(program.mirror)), new Set([program.pid, program.device]));
    program.child.kill('SIGKILL');
    assert.equal(await program.ended(), 'SIGKILL');
  });

  for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGABRT'] as const)
    test(`${signal} ends the host, and the device with it`, async () => {
      const program = new Program('running');
      await program.says('running');
      program.child.kill(signal);
      assert.equal(await program.ended(), signal);
    });

  test('SIGKILL ends the device too where the host is blocked in a wait', async () => {
    const program = new Program('waiting');
    await program.says('running');
    program.child.kill('SIGKILL');
    assert.equal(await program.ended(), 'SIGKILL');
  });

  test('SIGTERM ends a host that waits for its mirror to close', async () => {
    const program = new Program('closing');
    await program.says('running');
    program.child.kill('SIGTERM');
    assert.equal(await program.ended(), 'SIGTERM');
  });

  test('SIGKILL ends a device too that has been stopped and can do nothing for itself', async () => {
    const program = new Program('running');
    await program.says('running');
    process.kill(program.device, 'SIGSTOP');
    program.child.kill('SIGKILL');
    assert.equal(await program.ended(), 'SIGKILL');
  });

  test('Ctrl-C, which all processes of a terminal get, ends both', async () => {
    const program = new Program('running', { detached: true });
    await program.says('running');
    process.kill(-program.pid, 'SIGINT');
    assert.equal(await program.ended(), 'SIGINT');
  });
});

test('a host that handles Ctrl-C still has its device, and may use and close it', async () => {
  const program = new Program('graceful', { detached: true });
  await program.says('running');
  process.kill(-program.pid, 'SIGINT');
  assert.equal(await program.ended(), 0, program.complaints);
  assert.deepEqual(program.said.at(-1), { counted: true });
});

test('SIGKILL while the device is still starting leaves no device', async () => {
  const program = new Program('opening');
  await program.says('opening');
  await eventually('the start of a device', () => deviceProcesses(program.pid).length > 0);
  const [device] = deviceProcesses(program.pid);
  program.child.kill('SIGKILL');
  assert.equal(await program.ended(), 'SIGKILL');
  await eventually('the end of the device', () => !isRunning(device!), DEADLINE);
});

test('the end of a worker thread that has opened a mirror ends its device, and leaves the process alone', async () => {
  const program = new Program('worker');
  await program.says('running');
  const { device } = program;
  assert.ok(isRunning(device));
  program.child.stdin!.write('terminate\n');
  await program.says('terminated');
  await eventually('the end of the device', () => !isRunning(device), DEADLINE);
  assert.ok(isRunning(program.pid));
  program.child.stdin!.write('exit\n');
  assert.equal(await program.ended(), 0, program.complaints);
});

/** What a program prints as JSON when it has ended with 0. */
async function answerOf(program: string, ...args: string[]): Promise<unknown> {
  const child = spawn(process.execPath, [path(program), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, err);
  return JSON.parse(out);
}

test('importing the package opens nothing and loads nothing native; opening a mirror does', async () => {
  interface State {
    readonly descriptors: string[];
    readonly handles: string[];
    readonly memfds: boolean;
    readonly koffi: boolean;
    readonly required: string[];
  }
  const answer = (await answerOf('import-only.mjs')) as Record<string, State> & {
    exports: Record<string, number>;
  };
  const { before, imported, described, opened, exports } = answer;
  assert.deepEqual(imported, before);
  assert.deepEqual(described, before);
  assert.equal(before?.koffi, false);
  for (const [entry, count] of Object.entries(exports)) assert.ok(count > 3, entry);
  // The same look at a program that has opened a mirror: it would have been seen.
  assert.equal(opened?.koffi, true);
  assert.equal(opened.memfds, true);
  assert.ok(opened.required.length > 0);
  assert.ok(opened.descriptors.some((target) => target.startsWith('/memfd:mirrorspace')));
});

describe('openMirror is unsupported, says why, and opens nothing,', () => {
  for (const [what, where, missing, says] of [
    ['on macOS', { platform: 'darwin' }, 'darwin', /memfd, userfaultfd and futex.*use Linux/],
    ['on Windows', { platform: 'win32' }, 'win32', /WSL 2/],
    ['on FreeBSD', { platform: 'freebsd' }, 'freebsd', /use Linux/],
    ['in Bun', { versions: { bun: '1.3.0' } }, 'Bun', /use Node\.js/],
    ['in Deno', { versions: { deno: '2.4.0' } }, 'Deno', /use Node\.js/],
    ['in Electron', { versions: { electron: '38.0.0' } }, 'Electron', /memory cage/],
    ['in Bun on macOS', { platform: 'darwin', versions: { bun: '1.3.0' } }, 'Bun', /use Node\.js/],
    ['on a 32-bit machine', { arch: 'arm' }, 'Linux on arm', /x86-64 and arm64/],
    ['on another 64-bit machine', { arch: 'riscv64' }, 'Linux on riscv64', /x86-64 and arm64/],
  ] as const)
    test(what, async () => {
      const answer = (await answerOf('other-platform.mjs', JSON.stringify(where))) as {
        errors: { name: string; code: string; missing: string; message: string }[];
      };
      const { errors, ...rest } = answer;
      assert.deepEqual(rest, { opened: 0, descriptors: 0, koffi: false });
      assert.equal(errors.length, 3);
      for (const { message, ...error } of errors) {
        assert.deepEqual(error, { name: 'UnsupportedError', code: 'ERR_MIRROR_UNSUPPORTED', missing });
        assert.match(message, says);
        assert.ok(message.includes(missing));
      }
    });
});
