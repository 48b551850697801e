/**
 * docs/opencl.md: its programs run on PoCL and print what stands beside each line.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { POCL, poclMissing } from '../fixtures/opencl.ts';

const skip = { skip: poclMissing() ?? false };
const root = fileURLToPath(new URL('../..', import.meta.url));

test('the programs of docs/opencl.md print what the page says', skip, () => {
  const page = readFileSync(join(root, 'docs/opencl.md'), 'utf8');
  const programs = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text]) => text!);
  assert.ok(programs.length >= 2);
  mkdirSync(join(root, 'test/.tmp'), { recursive: true });
  const folder = mkdtempSync(join(root, 'test/.tmp/opencl-doc-'));
  try {
    for (const [i, text] of programs.entries()) {
      const name = join(folder, `program-${i}.ts`);
      writeFileSync(name, text);
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', name], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, OCL_ICD_VENDORS: POCL },
      });
      assert.equal(status, 0, stderr);
      const said = [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => line);
      assert.ok(said.length > 0, text);
      assert.deepEqual(stdout.trimEnd().split('\n'), said);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
