/**
 * The field in which somebody looks for a name or an address.
 *
 * @module
 */
import type { Range } from '../mm/address.ts';
import { find } from './details.ts';
import type { Item, Picture } from './picture.ts';

export interface Searching {
  picture(): Picture | undefined;
  show(item: Item): void;
  /** To an address at which there is nothing. */
  go(range: Range): void;
  /** Nothing has that name. */
  nothing(text: string): void;
}

export function onSearch(field: HTMLInputElement, searching: Searching): void {
  field.addEventListener('keydown', (event) => {
    const picture = searching.picture();
    if (event.key !== 'Enter' || !picture) return;
    const text = field.value.trim();
    const address = /^0x[0-9a-f]{1,13}$/i.test(text) ? Number(text) : undefined;
    const found = find(picture, text, address);
    field.setAttribute('aria-invalid', String(!found));
    if (found) searching.show(found);
    else if (address !== undefined) searching.go({ start: address, end: address + 1 });
    else searching.nothing(text);
  });
}
