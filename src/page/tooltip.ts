/**
 * Words beside the pointer, inside of the box that they are about.
 *
 * @module
 */

/** At a point of the box, or where there is room; nothing where there are no words. */
export function showTooltip(
  tooltip: HTMLElement,
  at: { readonly x: number; readonly y: number },
  words: { readonly title: string; readonly text: string } | undefined,
): void {
  tooltip.hidden = !words;
  if (!words) return;
  const head = document.createElement('b');
  head.textContent = words.title;
  tooltip.replaceChildren(head, words.text);
  const box = tooltip.parentElement!;
  const right = box.clientWidth - tooltip.offsetWidth - 8;
  const low = box.clientHeight - tooltip.offsetHeight - 8;
  tooltip.style.left = `${Math.max(0, Math.min(at.x + 16, right))}px`;
  tooltip.style.top = `${Math.max(0, Math.min(at.y + 16, low))}px`;
}
