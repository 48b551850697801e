/**
 * What the keyboard and the buttons do: one table of keys for the whole page, but for fields in which somebody types. What
 * each key does is decided elsewhere.
 *
 * @module
 */
import { element } from './panel.ts';

export interface Actions {
  all(): void;
  window(): void;
  buffers(): void;
  fold(): void;
  step(by: 1 | -1): void;
  closer(): void;
  /** Over what is on the screen. False where there is no more: the focus goes on. */
  walk(by: 1 | -1): boolean;
  /** Over the commands of the timeline. */
  command(by: 1 | -1): void;
  /** Whether a buffer could go to what is chosen. */
  ask(): void;
  pan(share: number): void;
  zoom(factor: number): void;
  theme(): void;
  still(): void;
}

export function onKeys(
  atlas: HTMLElement,
  timeline: HTMLElement,
  search: HTMLInputElement,
  actions: Actions,
): void {
  const keys = element<HTMLDialogElement>('keys');
  const anywhere: Readonly<Record<string, () => void>> = {
    '0': actions.all,
    '1': actions.window,
    '2': actions.buffers,
    f: actions.fold,
    t: actions.theme,
    n: () => actions.step(1),
    p: () => actions.step(-1),
    a: actions.ask,
    ' ': actions.still,
    '+': () => actions.zoom(0.6),
    '=': () => actions.zoom(0.6),
    '-': () => actions.zoom(1 / 0.6),
    '?': () => keys.showModal(),
    '/': () => search.focus(),
    ArrowUp: () => actions.pan(-0.12),
    ArrowDown: () => actions.pan(0.12),
    PageUp: () => actions.pan(-0.8),
    PageDown: () => actions.pan(0.8),
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
    const { target } = event;
    if (target instanceof HTMLInputElement || target instanceof HTMLSelectElement) {
      if (event.key === 'Escape') atlas.focus();
      return;
    }
    if (target === atlas && event.key === 'Tab') {
      if (actions.walk(event.shiftKey ? -1 : 1)) event.preventDefault();
      return;
    }
    if (target === atlas && event.key === 'Escape') element('plan-size').focus();
    if (target === timeline && (event.key === 'ArrowLeft' || event.key === 'ArrowRight')) {
      actions.command(event.key === 'ArrowLeft' ? -1 : 1);
      event.preventDefault();
      return;
    }
    // A button has its own Enter and space.
    if (target instanceof HTMLButtonElement && (event.key === ' ' || event.key === 'Enter')) return;
    if (event.key === 'Enter') actions.closer();
    else if (!Object.hasOwn(anywhere, event.key)) return;
    else anywhere[event.key]!();
    event.preventDefault();
  });
  const buttons: Readonly<Record<string, () => void>> = {
    'see-all': actions.all,
    'see-window': actions.window,
    'see-buffers': actions.buffers,
    fold: actions.fold,
    theme: actions.theme,
    help: () => keys.showModal(),
  };
  for (const [id, action] of Object.entries(buttons)) element(id).addEventListener('click', action);
}
