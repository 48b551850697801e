/**
 * Sizes and addresses as people write them: `64M`, `1.5G`, `0x10000`. Pure.
 *
 * @module
 */
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Whole bytes; undefined for what is none. */
export function parseSize(text: string): number | undefined {
  const trimmed = text.trim().toLowerCase();
  if (/^0x[0-9a-f]{1,13}$/.test(trimmed)) return Number.parseInt(trimmed.slice(2), 16);
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/.exec(trimmed) ?? [];
  if (digits === undefined) return undefined;
  const bytes = Number(digits) * UNITS[unit ?? '']!;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
