/**
 * How fluent the live page is over 5,000 mappings and more, in a real browser: the time from one frame to the next while
 * somebody zooms without a pause, beside that of an empty page, which is as often as the browser draws at all; and what a
 * picture of so many buffers costs the program that is looked at.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { openMirror, wasmDevice } from '../dist/index.js';
import { takeSnapshot } from '../dist/observe/index.js';
import { serve } from '../dist/web/index.js';
import { beside, inTurn, median, type Row, rounded } from './rows.ts';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
const BUFFERS = 5000;

export async function pageFrames(quick: boolean): Promise<Row[]> {
  if (!existsSync(CHROMIUM)) {
    process.stderr.write('page: there is no Chromium here (apt-get install chromium)\n');
    return [];
  }
  await using server = await serve();
  await using mirror = await openMirror({ devices: { wasm: wasmDevice({ cores: 1 }) } });
  // With a guard behind each, so that the kernel joins none with its neighbour.
  for (let i = 0; i < BUFFERS; i++) mirror.alloc(mirror.pageSize * (1 + (i % 8)), { guard: 1 });
  const vmas = readFileSync('/proc/self/maps', 'utf8').split('\n').length - 1;
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    const frames = quick ? 60 : 300;
    const [empty, live] = [
      await intervals(browser, 'about:blank', frames),
      await intervals(browser, server.url, frames),
    ];
    const [picture] = inTurn(1, [() => void takeSnapshot(mirror)], { warmups: 1, rounds: quick ? 3 : 9 });
    const row = (what: string, ours: number): Row => ({
      group: 'page',
      what,
      unit: 'ms',
      ours: rounded(ours),
    });
    const what = `frame to frame while zooming over ${vmas} mappings`;
    return [
      beside(row(`${what}, median`, median(live)), 'an empty page', median(empty)),
      beside(row(`${what}, 95 of 100`, percentile(live)), 'an empty page', percentile(empty)),
      row(`a picture of ${BUFFERS} buffers`, picture! / 1e6),
    ];
  } finally {
    await browser.close();
  }
}

/** Milliseconds between frames, while the wheel is turned at each, in and out again. */
async function intervals(browser: Browser, url: string, frames: number): Promise<number[]> {
  const page = await browser.newPage({ viewport: { width: 1360, height: 860 } });
  await page.goto(url);
  if (url !== 'about:blank') {
    await page.waitForFunction("document.querySelector('#details h2') !== null");
    await page.locator('#atlas').focus();
    await page.keyboard.press('f');
    await page.keyboard.press('1');
    await page.waitForTimeout(1000);
  }
  const seen = (await page.evaluate(`new Promise((resolve) => {
    const atlas = document.getElementById('atlas');
    const times = [];
    const next = (now) => {
      times.push(now);
      if (times.length > ${frames}) return resolve(times);
      // In for 40 frames, out for 40.
      const deltaY = times.length % 80 < 40 ? -60 : 60;
      atlas?.dispatchEvent(new WheelEvent('wheel', { deltaY, clientX: 300, clientY: 300, bubbles: true, cancelable: true }));
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  })`)) as number[];
  await page.close();
  return seen.slice(1).map((time, i) => time - seen[i]!);
}

const percentile = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.95)]!;
