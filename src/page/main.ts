/**
 * The live page: what comes in from the program, what the person does, and a frame drawn whenever either has changed
 * anything.
 *
 * @module
 */
import { formatBytes, hex } from '../errors.ts';
import type { Range } from '../mm/address.ts';
import type { LiveSnapshot } from '../web/live-mirrors.ts';
import { drawAtlas, FAULT_SEEN, HEADER, hit } from './atlas.ts';
import { EventClock } from './clock.ts';
import { paletteOf } from './colours.ts';
import { find, holeAt, wordsOf } from './details.ts';
import { Happenings } from './happenings.ts';
import { History } from './history.ts';
import { onKeys } from './keys.ts';
import { Looking } from './looking.ts';
import { Charts, element, fitCanvas, showLegend, showWords } from './panel.ts';
import { type Item, type Picture, pictureOf } from './picture.ts';
import { PlanForm } from './plan-form.ts';
import type { Scene } from './scene.ts';
import { Source } from './source.ts';
import { drawTimeline, SHOWN } from './timeline-canvas.ts';

const atlas = element<HTMLCanvasElement>('atlas');
const timeline = element<HTMLCanvasElement>('timeline');
const tooltip = element('tooltip');
const mirrors = element<HTMLSelectElement>('mirrors');
const search = element<HTMLInputElement>('search');

const looking = new Looking();
const clock = new EventClock();
const charts = new Charts(element('charts'));
let theme: 'light' | 'dark' = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
let live: LiveSnapshot = { mirrors: [] };
let wanted: number | undefined;
let picture: Picture | undefined;
let histories = new Map<number, History>();
const happenings = new Happenings();
let pointer: { readonly x: number; readonly y: number } | undefined;
let chosen: Range | undefined;
let still = false;
let framed = false;
let firstLook = true;

const source = new Source({
  snapshot(next) {
    live = next;
    for (const mirror of next.mirrors) {
      const history = histories.get(mirror.id) ?? new History();
      histories.set(mirror.id, history);
      history.add(mirror, performance.now() / 1000);
    }
    histories = new Map([...histories].filter(([id]) => next.mirrors.some((mirror) => mirror.id === id)));
    listMirrors();
    if (!still) takeUp();
  },
  event(name, event) {
    clock.seen(event.time, performance.now());
    if (event.mirror.id !== picture?.snapshot.id) return;
    happenings.take(name, event, performance.now());
    frame();
  },
  state(text, bad) {
    const state = element('state');
    state.textContent = still && !bad ? 'held still' : text;
    state.toggleAttribute('data-bad', bad);
  },
});

const planForm = new PlanForm(
  source,
  () => picture?.snapshot.id,
  (range) => {
    chosen = range;
    looking.goTo(around(range), performance.now());
    frame();
  },
);

function listMirrors(): void {
  const options = live.mirrors.map(({ id, name, pid }) => new Option(`${name} (process ${pid})`, String(id)));
  mirrors.replaceChildren(...(options.length > 0 ? options : [new Option('no mirror is open', '')]));
  if (wanted !== undefined) mirrors.value = String(wanted);
}

/** The newest picture of the mirror that is wanted becomes the one that is shown. */
function takeUp(): void {
  const mirror = live.mirrors.find(({ id }) => id === wanted) ?? live.mirrors[0];
  if (!mirror) {
    element('state').textContent = picture ? 'the mirror was closed' : 'no mirror is open yet';
    return;
  }
  const other = mirror.id !== picture?.snapshot.id;
  wanted = mirror.id;
  picture = pictureOf(mirror);
  if (other) {
    happenings.begin(mirror.commands);
    for (const { launch, end } of mirror.commands) clock.seen((end ?? launch).time, performance.now());
    chosen = undefined;
  }
  if (firstLook) looking.fold(picture, true);
  else looking.follow(picture);
  if (other) seeWindow();
  firstLook = false;
  charts.update(histories.get(mirror.id)!.figures);
  frame();
}

function seeWindow(): void {
  const range = picture?.snapshot.common;
  if (range) looking.goTo(range, performance.now());
  frame();
}

function seeBuffers(): void {
  const buffers = picture?.snapshot.buffers ?? [];
  const [first, last] = [buffers[0], buffers.at(-1)];
  if (first && last) looking.goTo({ start: first.start, end: last.end }, performance.now());
  frame();
}

function seeAll(): void {
  looking.goToAll(performance.now());
  frame();
}

function fold(): void {
  if (!picture) return;
  looking.fold(picture, !looking.folded);
  element('fold').setAttribute('aria-pressed', String(looking.folded));
  frame();
}

/** A range with as much around it as it is long. */
function around({ start, end }: Range): Range {
  const more = Math.max(4 * 4096, end - start);
  return { start: Math.max(0, start - more), end: end + more };
}

function choose(range: Range | undefined): void {
  chosen = range;
  frame();
}

/** The next or the previous buffer, by address. */
function step(by: 1 | -1): void {
  const items = picture?.columns[0]?.items.filter(({ kind }) => kind === 'buffer') ?? [];
  if (items.length === 0 || !picture) return;
  const at = items.findIndex(({ start }) => start === chosen?.start);
  const item =
    items[at === -1 ? (by === 1 ? 0 : items.length - 1) : (at + by + items.length) % items.length]!;
  show(item);
}

function show(item: Item): void {
  if (!picture) return;
  chosen = item;
  const column = picture.columns.find(({ items }) => items.includes(item)) ?? picture.columns[0]!;
  showWords(element('details'), wordsOf(column, item, item.start, picture));
  looking.goTo(around(item), performance.now());
  frame();
}

function sceneOf(width: number, height: number, now: number): Scene | undefined {
  if (!picture) return undefined;
  const screen = { axis: looking.axis, viewport: looking.viewport, height: height - HEADER };
  const scene = {
    picture,
    screen,
    width,
    palette: paletteOf(theme),
    faults: happenings.faults,
    now,
    pointed: undefined,
    chosen,
  };
  const pointed = pointer && hit(scene, pointer.x, pointer.y)?.item;
  return { ...scene, pointed };
}

/** Asks for a frame, once. */
function frame(): void {
  if (framed) return;
  framed = true;
  requestAnimationFrame(draw);
}

function draw(now: number): void {
  framed = false;
  const moving = looking.move(now);
  const [width, height] = fitCanvas(atlas);
  const scene = sceneOf(width, height, now);
  const palette = paletteOf(theme);
  const context = atlas.getContext('2d')!;
  if (scene) drawAtlas(context, scene);
  else {
    context.fillStyle = palette.background;
    context.fillRect(0, 0, width, height);
  }
  const [wide, high] = fitCanvas(timeline);
  const events = clock.at(now);
  const { commands, faults } = happenings;
  drawTimeline(timeline.getContext('2d')!, { commands, now: events, width: wide, height: high, palette });
  const newest = commands.at(-1)?.launch.time ?? Number.NEGATIVE_INFINITY;
  const busy = events !== undefined && newest > events - SHOWN;
  if (moving || busy || faults.some(({ at }) => now - at < FAULT_SEEN)) frame();
}

function pointAt(event: MouseEvent): ReturnType<typeof hit> {
  const box = atlas.getBoundingClientRect();
  pointer = { x: event.clientX - box.left, y: event.clientY - box.top };
  const scene = sceneOf(box.width, box.height, performance.now());
  return scene && hit(scene, pointer.x, pointer.y);
}

function hover(event: PointerEvent): void {
  const found = pointAt(event);
  tooltip.hidden = !found;
  if (found && picture) {
    const { title, pairs } = wordsOf(found.column, found.item, found.address, picture);
    const head = document.createElement('b');
    head.textContent = title;
    const size = found.item ? formatBytes(found.item.end - found.item.start) : '';
    const range = pairs.find(([name]) => name === 'range')?.[1] ?? '';
    tooltip.replaceChildren(
      head,
      found.item ? `${range} · ${size}` : `${hex(Math.floor(found.address))} in ${range}`,
    );
    const room = atlas.clientWidth - tooltip.offsetWidth - 8;
    tooltip.style.left = `${Math.max(0, Math.min(pointer!.x + 16, room))}px`;
    tooltip.style.top = `${Math.min(pointer!.y + 16, atlas.clientHeight - tooltip.offsetHeight - 8)}px`;
  }
  frame();
}

function click(event: MouseEvent): void {
  const found = pointAt(event);
  if (!found || !picture) return;
  showWords(element('details'), wordsOf(found.column, found.item, found.address, picture));
  choose(found.item ?? holeAt(found.column.items, found.address, found.column.window));
  const page = picture.snapshot.pageSize;
  planForm.ask(Math.floor((found.item?.start ?? found.address) / page) * page);
}

let dragged: { readonly y: number } | undefined;
atlas.addEventListener('pointerdown', (event) => {
  dragged = { y: event.clientY };
  atlas.setPointerCapture(event.pointerId);
});
atlas.addEventListener('pointerup', (event) => {
  if (dragged && Math.abs(event.clientY - dragged.y) < 4) click(event);
  dragged = undefined;
});
atlas.addEventListener('pointermove', (event) => {
  if (dragged && event.buttons === 1 && event.movementY !== 0)
    looking.pan(-event.movementY / (atlas.clientHeight - HEADER));
  hover(event);
});
atlas.addEventListener('pointerleave', () => {
  pointer = undefined;
  tooltip.hidden = true;
  frame();
});
atlas.addEventListener('dblclick', () => {
  if (chosen) looking.goTo(around(chosen), performance.now());
  frame();
});
atlas.addEventListener(
  'wheel',
  (event) => {
    event.preventDefault();
    const height = atlas.clientHeight - HEADER;
    const share = Math.min(1, Math.max(0, (event.offsetY - HEADER) / height));
    if (event.shiftKey) looking.pan((event.deltaY || event.deltaX) / height);
    else looking.zoom(1.0018 ** event.deltaY, share);
    frame();
  },
  { passive: false },
);
mirrors.addEventListener('change', () => {
  wanted = Number(mirrors.value);
  takeUp();
});
search.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !picture) return;
  const address = /^0x[0-9a-f]+$/i.test(search.value.trim()) ? Number(search.value.trim()) : undefined;
  const found = find(picture, search.value, address);
  search.setAttribute('aria-invalid', String(!found));
  if (found) show(found);
  else if (address !== undefined)
    looking.goTo({ start: Math.max(0, address - 65536), end: address + 65536 }, performance.now());
  frame();
});

function restyle(): void {
  document.documentElement.dataset.theme = theme;
  showLegend(element('legend'), paletteOf(theme));
  charts.restyle(
    paletteOf(theme),
    (wanted !== undefined && histories.get(wanted)?.figures) || [[], [], [], []],
  );
  frame();
}

onKeys(atlas, search, {
  all: seeAll,
  window: seeWindow,
  buffers: seeBuffers,
  fold,
  step,
  closer() {
    if (chosen) looking.goTo(around(chosen), performance.now());
    frame();
  },
  pan(share) {
    looking.pan(share);
    frame();
  },
  zoom(factor) {
    looking.zoom(factor, 0.5);
    frame();
  },
  theme() {
    theme = theme === 'dark' ? 'light' : 'dark';
    restyle();
  },
  still() {
    still = !still;
    element('state').textContent = still ? 'held still' : 'live';
    if (!still) takeUp();
  },
});
new ResizeObserver(frame).observe(atlas);
new ResizeObserver(frame).observe(timeline);
showWords(element('details'), undefined);
restyle();
source.start();
