/**
 * The live page: what comes in from the program, what the person does, and a frame drawn whenever either has changed
 * anything.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import type { LiveSnapshot } from '../web/live-mirrors.ts';
import { FAULT_SEEN } from './atlas.ts';
import { Canvases } from './canvases.ts';
import { EventClock } from './clock.ts';
import { CloseUps } from './close-ups.ts';
import { paletteOf } from './colours.ts';
import { Commands } from './commands.ts';
import { aboutMirror, briefly, holeAt, sentenceOf, wordsOf } from './details.ts';
import { Happenings } from './happenings.ts';
import { History } from './history.ts';
import { onKeys } from './keys.ts';
import { Looking } from './looking.ts';
import { anchorOf } from './marks.ts';
import { Charts, element, showFaults, showLegend, showMirrors, showWords } from './panel.ts';
import { type Column, type Item, type Picture, pictureOf } from './picture.ts';
import { PlanForm } from './plan-form.ts';
import { onPointer, type Point } from './pointing.ts';
import type { Scene } from './scene.ts';
import { onSearch } from './searching.ts';
import { Source } from './source.ts';
import { nextItem, nextStop, stopsOf } from './stops.ts';
import { SHOWN } from './timeline-canvas.ts';
import { showTooltip } from './tooltip.ts';
import { around } from './viewport.ts';

const canvases = new Canvases(element('atlas'), element('timeline'));
const { atlas, timeline } = canvases;
const mirrors = element<HTMLSelectElement>('mirrors');
const search = element<HTMLInputElement>('search');

const looking = new Looking();
const clock = new EventClock();
const charts = new Charts(element('charts'));
const happenings = new Happenings();
let theme: 'light' | 'dark' = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
let live: LiveSnapshot = { mirrors: [] };
let wanted: number | undefined;
let picture: Picture | undefined;
let histories = new Map<number, History>();
let pointer: Point | undefined;
/** What was clicked, found or walked to. */
let chosen: { readonly range: Range; readonly item?: Item; readonly column?: Column } | undefined;
let focused: Scene['focused'];
let asked: Scene['asked'];
let still = false;
let framed = false;
let faultsShown = -1;

const source = new Source({
  snapshot(next) {
    live = next;
    for (const mirror of next.mirrors) {
      const history = histories.get(mirror.id) ?? new History();
      histories.set(mirror.id, history);
      history.add(mirror, performance.now() / 1000);
    }
    histories = new Map([...histories].filter(([id]) => next.mirrors.some((mirror) => mirror.id === id)));
    showMirrors(mirrors, live, wanted);
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

const planForm = new PlanForm(source, {
  mirror: () => picture?.snapshot.id,
  asked(range) {
    asked = range;
    frame();
  },
  go: (range) => go(around(range)),
});

const walker = new Commands(timeline, element('timeline-tooltip'), {
  state: () => ({ commands: happenings.commands, now: clock.at(performance.now()) }),
  say,
  changed: () => frame(),
});

const closeUps = new CloseUps(
  async (range) => (picture ? await source.residence(picture.snapshot.id, range) : []),
  () => frame(),
);

/** The newest picture of the mirror that is wanted becomes the one that is shown. */
function takeUp(): void {
  const mirror = live.mirrors.find(({ id }) => id === wanted) ?? live.mirrors[0];
  if (!mirror) {
    element('state').textContent = picture ? 'the mirror was closed' : 'no mirror is open yet';
    return;
  }
  const [first, other] = [!picture, mirror.id !== picture?.snapshot.id];
  wanted = mirror.id;
  picture = pictureOf(mirror);
  if (other) {
    // What is over is no flash, but is listed.
    happenings.begin(mirror.commands, mirror.faults, performance.now() - FAULT_SEEN);
    for (const { launch, end } of mirror.commands) clock.seen((end ?? launch).time, performance.now());
    [chosen, focused, asked] = [undefined, undefined, undefined];
  } else happenings.catchUp(mirror.commands);
  if (first) looking.fold(picture, true);
  else looking.follow(picture);
  if (other) seeWindow();
  charts.update(histories.get(mirror.id)!.figures);
  showChosen();
  frame();
}

/** There in a while, and nowhere where that is nothing. */
function go(range: Range | 'all' | undefined): void {
  if (range) looking.goTo(range, performance.now());
  frame();
}

function seeWindow(): void {
  go(picture?.snapshot.common);
}

function seeBuffers(): void {
  const buffers = picture?.snapshot.buffers ?? [];
  const [first, last] = [buffers[0], buffers.at(-1)];
  go(first && last && { start: first.start, end: last.end });
}

function fold(): void {
  if (!picture) return;
  looking.fold(picture, !looking.folded);
  element('fold').setAttribute('aria-pressed', String(looking.folded));
  say(looking.folded ? 'sizes folded' : 'true lengths');
  frame();
}

function pan(share: number): void {
  looking.pan(share);
  frame();
}

function zoom(factor: number, share: number): void {
  looking.zoom(factor, share);
  frame();
}

function closer(): void {
  go(chosen && around(chosen.range));
}

/** Words about what is chosen, as it is now; about the mirror where nothing is. */
function showChosen(): void {
  if (!picture) return;
  const { column, range } = chosen ?? {};
  const host = picture.columns[0]!;
  const now = picture.columns.find(({ title }) => title === column?.title) ?? host;
  const item = chosen?.item && (now.items.find(({ start }) => start === range!.start) ?? chosen.item);
  showWords(element('details'), range ? wordsOf(now, item, range.start, picture) : aboutMirror(picture));
}

function choose(next: typeof chosen): void {
  chosen = next;
  if (next) planForm.suggest(next.range.start);
  showChosen();
  frame();
}

/** The next or the previous buffer, by address. */
function step(by: 1 | -1): void {
  const buffers = picture?.columns[0]?.items.filter(({ kind }) => kind === 'buffer') ?? [];
  const next = nextItem(buffers, chosen?.range, by);
  if (!next) return;
  show(next);
  say(`${next.name}, buffer ${buffers.indexOf(next) + 1} of ${buffers.length}`);
}

function show(item: Item): void {
  if (!picture) return;
  const column = picture.columns.find(({ items }) => items.includes(item)) ?? picture.columns[0]!;
  choose({ range: item, item, column });
  go(around(item));
}

/** Over what is on the screen, and to the next column after the last. */
function walk(by: 1 | -1): boolean {
  const scene = sceneOf(performance.now());
  if (!scene) return false;
  const stops = stopsOf(scene.picture, scene.screen);
  const stop = nextStop(stops, focused, by);
  if (!stop) {
    // Whoever comes back from behind goes on from the last; at the first it begins anew.
    if (by === -1) focused = undefined;
    return false;
  }
  const { column, range, item } = stop;
  focused = { column: column.title, range };
  choose({ range, column, ...(item ? { item } : {}) });
  say(sentenceOf(stop, stops.indexOf(stop) + 1, stops.length));
  return true;
}

/** Aloud, for those who don't see the picture. */
function say(text: string): void {
  element('said').textContent = text;
}

function sceneOf(now: number): Scene | undefined {
  if (!picture) return undefined;
  const { viewport, axis } = looking;
  return canvases.scene({
    picture,
    look: { axis, viewport },
    palette: paletteOf(theme),
    faults: happenings.faults,
    parts: closeUps.parts,
    now,
    pointer,
    chosen: chosen?.range,
    focused: document.activeElement === atlas ? focused : undefined,
    asked,
  });
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
  const scene = sceneOf(now);
  const events = clock.at(now);
  const { commands, faults } = happenings;
  canvases.draw(scene, { commands, now: events, chosen: walker.chosen }, paletteOf(theme));
  if (scene && !moving) closeUps.look(scene.picture, scene.screen, now);
  if (faults.length !== faultsShown) {
    faultsShown = faults.length;
    showFaults(element('faults'), faults, (address) => go(around({ start: address, end: address + 1 })));
  }
  const newest = commands.at(-1)?.launch.time ?? Number.NEGATIVE_INFINITY;
  const busy = events !== undefined && newest > events - SHOWN;
  if (moving || busy || faults.some(({ at }) => now - at < FAULT_SEEN)) frame();
}

onPointer(atlas, {
  hover(at) {
    pointer = at;
    const scene = at && sceneOf(performance.now());
    const found = scene && canvases.hit(scene, at);
    const words = found && briefly(found.column, found.item, found.address, scene.picture);
    showTooltip(element('tooltip'), at ?? { x: 0, y: 0 }, words);
    frame();
  },
  click(at) {
    const scene = sceneOf(performance.now());
    const found = scene && canvases.hit(scene, at);
    if (!found) return;
    const { item, column, address } = found;
    focused = undefined;
    choose({
      range: item ?? holeAt(column.items, address, column.window),
      column,
      ...(item ? { item } : {}),
    });
    const { pageSize } = scene.picture.snapshot;
    planForm.ask(Math.floor((item?.start ?? address) / pageSize) * pageSize);
  },
  closer,
  pan,
  zoom,
});

for (const turned of ['focus', 'blur']) atlas.addEventListener(turned, frame);
mirrors.addEventListener('change', () => {
  wanted = Number(mirrors.value);
  takeUp();
});
onSearch(search, {
  picture: () => picture,
  show(item) {
    show(item);
    say(`found ${item.name}`);
  },
  go: (range) => go(around(range)),
  nothing: (text) => say(`nothing has ${text} in its name`),
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

onKeys(atlas, timeline, search, {
  all: () => go('all'),
  window: seeWindow,
  buffers: seeBuffers,
  fold,
  step,
  closer,
  walk,
  command: (by) => walker.step(by),
  ask() {
    if (chosen) planForm.ask(Math.floor(chosen.range.start));
  },
  pan,
  zoom(factor) {
    looking.arrive();
    const scene = sceneOf(performance.now());
    zoom(factor, scene ? anchorOf(scene.screen, chosen?.range) : 0.5);
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
restyle();
source.start();
