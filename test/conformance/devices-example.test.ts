/**
 * The device of examples/device, which knows of this package only what it publishes, passes the conformance suite: by
 * itself, beside a process device, and its memory is where it says.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openMirror, processDevice } from 'mirrorspace';
import { conformancePrograms, testConformance } from 'mirrorspace/device/conformance';
import ts from 'typescript';
import { type ApertureDevice, apertureDevice } from '../../examples/device/aperture-device.ts';

const folder = new URL('../../examples/device/', import.meta.url);
const kernels = new URL('conformance-kernels.js', folder);
const { exports } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  exports: Record<string, unknown>;
};

test('the example device imports what this package publishes, its own files and Node, and is about 150 lines', () => {
  let lines = 0;
  const published = new Set<string>();
  for (const name of readdirSync(folder)) {
    const text = readFileSync(new URL(name, folder), 'utf8');
    lines += text.split('\n').filter((line) => !/^\s*($|\/?\*|\/\/)/.test(line)).length;
    for (const { fileName: specifier } of ts.preProcessFile(text, true, true).importedFiles) {
      if (specifier.startsWith('node:') || /^\.\/[\w-]+\.(js|ts)$/.test(specifier)) continue;
      assert.match(specifier, /^mirrorspace(\/|$)/, `${name} imports ${specifier}`);
      assert.ok(specifier.replace('mirrorspace', '.') in exports, `${specifier} is not published`);
      published.add(specifier);
    }
  }
  assert.ok(published.has('mirrorspace/device'));
  assert.ok(lines < 180, `${lines} lines of code`);
});

const program = ({ kind }: { kind: string }) => (kind === 'process' ? conformancePrograms.process : kernels);
const crash = (device: object): void => {
  process.kill((device as ApertureDevice).pid, 'SIGKILL');
};

/** This device reaches buffers only. */
const skips = ['svm_shared_address_space_fine_grain:'];

testConformance({
  skips,
  name: 'host and a device of somebody else',
  open: () => openMirror({ devices: { aperture: apertureDevice() } }),
  program,
  crash,
});

testConformance({
  skips,
  name: 'host, a device of somebody else, and process',
  open: () =>
    openMirror({
      devices: { aperture: apertureDevice({ at: 2 ** 40, cores: 1 }), proc: processDevice({ cores: 1 }) },
    }),
  program,
  crash,
});
