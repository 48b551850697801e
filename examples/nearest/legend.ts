/**
 * The legend: the colour scale with ticks at round distances, lettered in a five by seven dot font that has
 * just the characters it needs.
 *
 * @module
 */

import type { Canvas, Colour } from './canvas.ts';
import { type Palette, parseHex } from './palette.ts';

const PANEL = parseHex('#0d1026');
const TEXT: Colour = [236, 240, 244];

/** Seven rows of five dots each, one hexadecimal pair a row. */
const FONT: Record<string, string> = {
  '0': '0e11131519110e',
  '1': '040c040404040e',
  '2': '0e11010204081f',
  '3': '1f02040201110e',
  '4': '02060a121f0202',
  '5': '1f101e0101110e',
  '6': '0608101e11110e',
  '7': '1f010204080808',
  '8': '0e11110e11110e',
  '9': '0e11110f01020c',
  k: '10101214181412',
  m: '00001a15151515',
  ' ': '00000000000000',
};

/** In the lower left corner, unless the picture is too small for it. */
export function drawLegend(canvas: Canvas, palette: Palette, farthest: number): void {
  const unit = Math.max(1, Math.round(canvas.width / 900));
  const width = 236 * unit;
  const height = 42 * unit;
  if (2 * width > canvas.width || 2 * height > canvas.height) return;
  const left = 10 * unit;
  const top = canvas.height - height - 10 * unit;
  canvas.rectangle(left, top, width, height, PANEL, 0.72);

  const scale = { left: left + 10 * unit, top: top + 9 * unit, width: width - 40 * unit, height: 10 * unit };
  for (let x = 0; x < scale.width; x++) {
    const colour = palette.colour(palette.distance(x / (scale.width - 1)));
    canvas.rectangle(scale.left + x, scale.top, 1, scale.height, colour);
  }
  const ticks = [0, 10, 30, 100, 300, 1000, 3000, 10_000].filter((distance) => {
    const room = palette.position(distance) - palette.position(distance / 3.4);
    return distance <= farthest && (distance === 0 || room * scale.width > 23 * unit);
  });
  for (const distance of ticks) {
    const x = scale.left + Math.round(palette.position(distance) * (scale.width - 1));
    canvas.rectangle(x, scale.top, unit, scale.height + 3 * unit, TEXT, 0.9);
    const label = distance === ticks.at(-1) ? `${distance} km` : String(distance);
    const offset = distance === 0 ? 0 : -3 * unit * String(distance).length;
    write(canvas, label, x + offset, scale.top + scale.height + 6 * unit, unit);
  }
}

function write(canvas: Canvas, text: string, left: number, top: number, unit: number): void {
  [...text].forEach((character, place) => {
    const rows = FONT[character] ?? '';
    for (let row = 0; row < 7; row++) {
      const dots = Number.parseInt(rows.slice(2 * row, 2 * row + 2), 16);
      for (let column = 0; column < 5; column++) {
        if ((dots >> (4 - column)) & 1) {
          canvas.rectangle(left + (6 * place + column) * unit, top + row * unit, unit, unit, TEXT);
        }
      }
    }
  });
}
