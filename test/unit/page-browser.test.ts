/** The live page in a real browser, over a real mirror: it shows what is there, answers, and can be used without a mouse. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Mirror, WasmDevice } from 'mirrorspace';
import { openMirror, wasmDevice } from 'mirrorspace';
import { type LiveServer, serve } from 'mirrorspace/serve';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';
const skip = existsSync(CHROMIUM) ? false : 'there is no Chromium here: apt-get install chromium';
const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
];
const MiB = 2 ** 20;

describe('the live page', { skip }, () => {
  let server: LiveServer;
  let mirror: Mirror<{ wasm: WasmDevice }>;
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];

  before(async () => {
    server = await serve();
    mirror = await openMirror({ name: 'shown', devices: { wasm: wasmDevice({ cores: 1 }) } });
    mirror.alloc(4 * MiB, { name: 'table' }).bytes.fill(1, 0, MiB);
    mirror.alloc(64 * 1024, { name: 'points', place: { at: 2 ** 31 } });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    page = await browser.newPage({ viewport: { width: 1300, height: 820 }, colorScheme: 'dark' });
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    page.on('requestfailed', (request) => errors.push(`${request.url()} failed`));
    await page.goto(server.url);
  });
  after(async () => {
    await browser?.close();
    await mirror?.close();
    await server?.close();
  });

  const details = async () => (await page.locator('#details').textContent()) ?? '';
  /** The picture, of which a change can be told. */
  const pixels = () => page.evaluate("document.getElementById('atlas').toDataURL()") as Promise<string>;
  const settled = async () => {
    let [now, last] = ['', '-'];
    while (now !== last) {
      last = now;
      await page.waitForTimeout(400);
      now = await pixels();
    }
    return now;
  };

  it('shows the mirror, its process and its buffers', async () => {
    await page.locator('#mirrors option', { hasText: 'shown' }).waitFor({ state: 'attached' });
    assert.equal(await page.locator('#mirrors').textContent(), `shown (process ${process.pid})`);
    await page.locator('#atlas').focus();
    await page.keyboard.press('n');
    await page.locator('#details', { hasText: 'table' }).waitFor();
    const text = await details();
    const table = mirror.buffers().find(({ name }) => name === 'table')!;
    assert.ok(text.includes(`0x${table.address.toString(16)}-0x${table.end.toString(16)}`), text);
    assert.match(text, /1 MiB \(25%\)/);
  });

  it('answers why a buffer can not go there, and where it could', async () => {
    const points = mirror.buffers().find(({ name }) => name === 'points')!;
    const answerText = async () => (await page.locator('#plan-answer').textContent()) ?? '';
    await page.fill('#plan-size', '16M');
    await page.fill('#plan-at', `0x${points.address.toString(16)}`);
    await page.click('#plan button');
    await page.locator('#plan-answer[data-ok="no"]').waitFor();
    assert.match(await answerText(), /points \(buffer\).*in the way/s);
    await page.fill('#plan-at', '');
    await page.click('#plan button');
    await page.locator('#plan-answer[data-ok="yes"]').waitFor();
    const place = mirror.plan(16 * MiB);
    assert.ok(place.ok && (await answerText()).includes(`0x${place.placement.address.toString(16)}`));
    await page.fill('#plan-size', 'much');
    await page.click('#plan button');
    await page.locator('#plan-answer', { hasText: 'is no size' }).waitFor();
  });

  it('is another picture at each zoom, folded and not, and the same again on the way back', async () => {
    await page.locator('#atlas').focus();
    await page.keyboard.press('0');
    const all = await settled();
    const seen = new Set([all]);
    for (const keys of [['2'], ['+', '+', '+'], ['ArrowDown'], ['f'], ['1'], ['0']]) {
      for (const key of keys) await page.keyboard.press(key);
      seen.add(await settled());
    }
    assert.ok(seen.size >= 6, `${seen.size} pictures`);
    await page.keyboard.press('f');
    await page.keyboard.press('0');
    await settled();
  });

  const said = async () => (await page.locator('#said').textContent()) ?? '';

  it('is gone over by Tab, from the controls over everything on the screen and on, and says where one is', async () => {
    // Held still: mappings of this process come and go.
    await page.locator('#atlas').focus();
    await page.keyboard.press('1');
    await page.keyboard.press('Space');
    await page.locator('#state', { hasText: 'held still' }).waitFor();
    await settled();
    await page.locator('#help').focus();
    await page.keyboard.press('Tab');
    const active = () => page.evaluate('document.activeElement.id') as Promise<string>;
    assert.equal(await active(), 'atlas');
    const heard: string[] = [];
    let last = await pixels();
    for (;;) {
      await page.keyboard.press('Tab');
      if ((await active()) !== 'atlas') break;
      heard.push(await said());
      if (heard.length > 500) break;
      if (heard.length > 3) continue;
      // Where the keyboard is, is seen.
      const now = await settled();
      assert.notEqual(now, last, heard.at(-1));
      last = now;
    }
    const of = Number(/ of (\d+)$/.exec(heard[0] ?? '')?.[1]);
    assert.equal(heard.length, of, `${heard.slice(0, 3).join('\n')}`);
    assert.equal(new Set(heard).size, heard.length, 'each is another');
    for (const words of [/^table, .* host, /, /^points, /, /node.*code of the process/, /a hole/, /; wasm, /])
      assert.ok(
        heard.some((each) => words.test(each)),
        `${words} in\n${heard.join('\n')}`,
      );
    assert.equal(await active(), 'plan-size');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await active(), 'atlas');
    await page.keyboard.press('Shift+Tab');
    assert.equal(await said(), heard.at(-2));
    await page.keyboard.press('Space');
    await page.locator('#state', { hasText: 'live' }).waitFor();
    await page.keyboard.press('Escape');
    assert.equal(await active(), 'plan-size');
  });

  it('asks by a key whether a buffer could go to what was reached, and names who is in the way', async () => {
    await page.locator('#atlas').focus();
    await page.keyboard.press('n');
    await page.fill('#plan-size', '64M');
    await page.locator('#atlas').focus();
    await page.keyboard.press('a');
    const table = mirror.buffers().find(({ name }) => name === 'table')!;
    const blocker = page.locator('#plan-answer .place', { hasText: 'table, 4 MiB' });
    await blocker.waitFor();
    assert.equal(await page.inputValue('#plan-at'), `0x${table.address.toString(16)}`);
    await page.keyboard.press('0');
    const all = await settled();
    await blocker.click();
    assert.notEqual(await settled(), all);
    await page.locator('#plan-answer .place', { hasText: 'elsewhere in the window' }).waitFor();
  });

  it('tells each page of a buffer that is looked at closely', async () => {
    const pageSize = mirror.pageSize;
    const sparse = mirror.alloc(1024 * pageSize, { name: 'sparse' });
    await page.fill('#search', 'sparse');
    for (let found = false; !found; ) {
      await page.locator('#search').press('Enter');
      found = (await page.locator('#search').getAttribute('aria-invalid')) === 'false';
      if (!found) await page.waitForTimeout(100);
    }
    await page.locator('#atlas').focus();
    const asked = page.waitForResponse((response) => response.url().includes('/residence?'));
    for (let i = 0; i < 12; i++) await page.keyboard.press('+');
    await asked;
    const cold = await settled();
    // A page in the middle, which is what zooming was about.
    sparse.bytes[512 * pageSize] = 1;
    let now = cold;
    for (let i = 0; i < 60 && now === cold; i++) now = await settled();
    assert.notEqual(now, cold, 'a page that is in memory now');
    sparse.free();
  });

  it('shows buffers that come and go, and commands, as they happen', async () => {
    await page.keyboard.press('2');
    const before = await settled();
    const late = mirror.alloc(8 * MiB, { name: 'late' });
    await mirror.devices.wasm.queue.fill(late, 7).done;
    await page.fill('#search', 'late');
    // The picture comes a little later than the buffer.
    for (let found = false; !found; ) {
      await page.locator('#search').press('Enter');
      found = (await page.locator('#search').getAttribute('aria-invalid')) === 'false';
      if (!found) await page.waitForTimeout(100);
    }
    assert.match(await details(), /late/);
    assert.notEqual(await settled(), before);
    const lanes = (await page.evaluate("document.getElementById('timeline').toDataURL()")) as string;
    assert.ok(lanes.length > 1000);
    late.free();
  });

  it('shows words about what is under the pointer, and the whole of it at a click', async () => {
    await page.keyboard.press('Escape');
    await page.locator('#atlas').focus();
    await page.keyboard.press('2');
    await settled();
    const box = (await page.locator('#atlas').boundingBox())!;
    await page.mouse.move(box.x + 200, box.y + box.height / 2);
    await page.locator('#tooltip').waitFor();
    assert.match((await page.locator('#tooltip').textContent()) ?? '', /0x[0-9a-f]+/);
    await page.mouse.click(box.x + 200, box.y + box.height / 2);
    assert.match(await details(), /range/);
    assert.notEqual(await page.inputValue('#plan-at'), '');
  });

  it('begins as dark or light as the person has it, and changes', async () => {
    const theme = () => page.evaluate('document.documentElement.dataset.theme');
    assert.equal(await theme(), 'dark');
    await page.click('#theme');
    assert.equal(await theme(), 'light');
  });

  it('says so when the program closes the mirror, and nothing has gone wrong till then', async () => {
    assert.deepEqual(errors, []);
    await mirror.close();
    await page.locator('#state', { hasText: 'closed' }).waitFor();
    await server.close();
    await page.locator('#state[data-bad]').waitFor();
  });
});
