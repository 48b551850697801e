/** `mirrorspace plan`: places and refusals, on stored maps where the answer is known, and on the live machine. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { GiB, KiB, MiB, parseMaps } from 'mirrorspace/mm';
import { cli, cliJson, storedMaps } from '../fixtures/cli.ts';
import { mappings } from '../fixtures/proc.ts';

const NODE = ['--maps', storedMaps('node')];
const vmas = parseMaps(readFileSync(storedMaps('node'), 'utf8')).vmas;
const free = (start: number, end: number) => vmas.every((vma) => vma.end <= start || end <= vma.start);

/** The lowest place of a naive walk over all multiples of the alignment. */
function lowest(size: number, align: number, low: number, high: number): number | undefined {
  for (let at = Math.ceil(low / align) * align; at + size <= high; at += align)
    if (free(at, at + size)) return at;
  return undefined;
}

describe('a place', () => {
  test('is the one that a walk over the stored maps finds', () => {
    for (const [size, align] of [
      [64 * MiB, 2 * MiB],
      [4 * KiB, 4 * KiB],
      [300 * MiB, 64 * KiB],
    ] as const) {
      const { status, json } = cliJson(
        ...['plan', '--size', String(size), '--align', String(align), '--window', '0x10000:4G', ...NODE],
      );
      assert.equal(status, 0);
      assert.equal(json.ok, true);
      assert.equal(json.placement.address, lowest(size, align, 0x10000, 4 * GiB));
      const { hole } = json;
      assert.ok(free(hole.start, hole.end));
      assert.ok(hole.start === 0x10000 || !free(hole.start - 4096, hole.start));
      assert.ok(hole.end === 4 * GiB || !free(hole.end, hole.end + 4096));
    }
  });

  test('is said in words, with what is around it', () => {
    const { status, stdout } = cli('plan', '-s', '64M', '-a', '2M', '-w', '0x10000:4G', ...NODE);
    assert.equal(status, 0);
    const at = lowest(64 * MiB, 2 * MiB, 0x10000, 4 * GiB)!;
    assert.ok(stdout.startsWith(`64 MiB fit at 0x${at.toString(16)}-`), stdout);
    const [, below] = /^ {2}below +(.*)$/m.exec(stdout)!;
    const neighbour = vmas.findLast(({ end }) => end <= at)!;
    assert.equal(below, neighbour.name || 'anonymous memory');
  });

  test('keeps clear of what a device reserves, and within what all devices reach', () => {
    const { json } = cliJson(
      ...['plan', '--size', '1M', ...NODE, '-w', 'gpu=4G:64G', '-r', 'firmware=4G:5G'],
      ...['-w', 'npu=0:8G', '-r', '0x140000000:0x140001000'],
    );
    assert.deepEqual(json.placement.window, { start: 4 * GiB, end: 8 * GiB });
    assert.equal(json.placement.address, 0x140001000);
  });

  test('in the live process is one that nothing is mapped at', () => {
    for (const direction of [[], ['--topdown']]) {
      const before = mappings();
      const { status, json } = cliJson('plan', '--size', '16M', '--pid', String(process.pid), ...direction);
      const { address, size } = json.placement;
      const clear = (list: typeof before) =>
        list.every(({ start, end }) => end <= address || address + size <= start);
      assert.equal(status, 0);
      // This process goes on mapping meanwhile; at one of the two moments the place was free.
      assert.ok(clear(before) || clear(mappings()), `0x${address.toString(16)}`);
    }
  });
});

describe('a refusal', () => {
  test('has exit code 1, the reason, the largest hole, and changes that make it fit indeed', () => {
    const ask = ['plan', '--align', '2M', '--window', '0x10000:4G', ...NODE];
    const { status, json } = cliJson(...ask, '--size', '4G');
    assert.equal(status, 1);
    assert.equal(json.ok, false);
    assert.equal(json.refusal.reason, 'larger-than-window');
    const fits = json.refusal.remedies.find(({ kind }: { kind: string }) => kind === 'size');
    assert.equal(cliJson(...ask, '--size', String(fits.size)).json.placement.address, fits.address);
    assert.equal(cliJson(...ask, '--size', String(fits.size + 4096)).status, 1);
    const { status: told, stdout } = cli(...ask, '--size', '4G');
    assert.equal(told, 1);
    assert.match(stdout, /No place for 4\.00 GiB|No place for 4 GiB/);
    assert.match(stdout, /Any one of these changes makes it fit:\n {2}- at most /);
  });

  test('names who is in the way', () => {
    const { status, json } = cliJson('plan', '--size', '1M', '--at', '0x400000', ...NODE);
    assert.equal(status, 1);
    assert.equal(json.refusal.reason, 'occupied');
    const there = vmas.find(({ start, end }) => start <= 0x400000 && 0x400000 < end)!;
    assert.equal(json.refusal.blockers[0].name, there.name);
  });

  test("of Linux's search where there is a place says so, and where", () => {
    // A window that holds the size aligned, and not the size and the alignment together.
    const size = 64 * KiB;
    const at = lowest(size, size, 0x10000, 4 * GiB)!;
    const ask = ['plan', '--size', '64K', '--align', '64K', ...NODE];
    const window = ['--window', `${at}:${at + size}`];
    const exact = cliJson(...ask, ...window);
    assert.equal(exact.json.placement.address, at);
    const linux = cliJson(...ask, ...window, '--fit', 'linux');
    assert.equal(linux.status, 1);
    assert.equal(linux.json.exact.address, at);
    assert.match(cli(...ask, ...window, '--fit', 'linux').stdout, /--fit exact\) fits at 0x/);
    // Where both find one, Linux's is free too.
    const wide = cliJson(...ask, '--window', '0x10000:4G', '--fit', 'linux');
    assert.equal(wide.status, 0);
    assert.ok(free(wide.json.placement.address, wide.json.placement.address + size));
  });
});

test('bad arguments have exit code 2 and say what was expected', () => {
  const refused: [string[], RegExp][] = [
    [[], /required option '-s, --size <bytes>' not specified/],
    [['--size', '64X'], /Expected bytes such as 4096, 0x1000, 64K, 1\.5G/],
    [['--size', '0.3K'], /no whole number of bytes/],
    [['--size', '9007199254740993'], /end at 2\^53/],
    [['--size', '-4K'], /Expected bytes/],
    [['--size', '0'], /"size" is out of range/],
    [['--size', '4K', '--align', '3000'], /"align" is out of range.*power of two/],
    [['--size', '4K', '--window', '0x10000'], /Expected LOW:HIGH/],
    [['--size', '4K', '--window', '4G:0x10000'], /The range is empty/],
    [['--size', '4K', '--reserved', '0:4K'], /of the --window before it/],
    [['--size', '4K', '--window', 'host=0:4G'], /'host' is the process itself/],
    [['--size', '4K', '--fit', 'best'], /Allowed choices are exact, linux/],
    [['--size', '4K', '--fit', 'linux', '--at', '0x10000'], /no --at/],
    [['--size', '4K', '--at', '0x10000', '--within', '0:4G'], /--at or --within, not both/],
    [['--size', '4K', '--at', '0x10001'], /"place\.at" is out of range/],
    [['--size', '4K', '--pid', '1', '--maps', 'x'], /--pid or --maps, not both/],
    [['--size', '4K', '--colour'], /unknown option '--colour'/],
    [['--size', '4K', 'more'], /too many arguments/],
  ];
  for (const [args, words] of refused) {
    const said = cli('plan', ...args);
    assert.equal(said.status, 2, `${args}: ${said.stdout}${said.stderr}`);
    assert.match(said.stderr, words, args.join(' '));
    assert.match(said.stderr, /Try: mirrorspace plan --help/);
    assert.equal(said.stdout, '');
    assert.doesNotMatch(said.stderr, /^ +at /m, 'no stack');
  }
});
