/**
 * A small canvas: RGB pixels as numbers from 0 to 255 that may lie between integers, painted over with an
 * opacity, and written as a PNG.
 *
 * @module
 */

import { PNG } from 'pngjs';

export type Colour = readonly [red: number, green: number, blue: number];

export class Canvas {
  readonly width: number;
  readonly height: number;
  private readonly data: Float32Array;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.data = new Float32Array(3 * width * height);
  }

  /** Mixes `colour` into one pixel; outside the canvas nothing happens. */
  paint(x: number, y: number, [red, green, blue]: Colour, opacity = 1): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    const at = 3 * (y * this.width + x);
    const { data } = this;
    data[at] = data[at]! + (red - data[at]!) * opacity;
    data[at + 1] = data[at + 1]! + (green - data[at + 1]!) * opacity;
    data[at + 2] = data[at + 2]! + (blue - data[at + 2]!) * opacity;
  }

  rectangle(left: number, top: number, width: number, height: number, colour: Colour, opacity = 1): void {
    for (let y = top; y < top + height; y++) {
      for (let x = left; x < left + width; x++) this.paint(x, y, colour, opacity);
    }
  }

  /** A disc with a soft edge; the centre need not lie on a pixel. */
  disc(centreX: number, centreY: number, radius: number, colour: Colour, opacity = 1): void {
    const reach = radius + 1;
    for (let y = Math.floor(centreY - reach); y <= centreY + reach; y++) {
      for (let x = Math.floor(centreX - reach); x <= centreX + reach; x++) {
        const cover = radius + 0.5 - Math.hypot(x + 0.5 - centreX, y + 0.5 - centreY);
        if (cover > 0) this.paint(x, y, colour, opacity * Math.min(1, cover));
      }
    }
  }

  toPng(): Buffer {
    const png = new PNG({ width: this.width, height: this.height, colorType: 2 });
    const bytes = png.data;
    for (let pixel = 0; pixel < this.width * this.height; pixel++) {
      for (let channel = 0; channel < 3; channel++) {
        bytes[4 * pixel + channel] = Math.round(Math.max(0, Math.min(255, this.data[3 * pixel + channel]!)));
      }
      bytes[4 * pixel + 3] = 255;
    }
    return PNG.sync.write(png, { colorType: 2 });
  }
}
