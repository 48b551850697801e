/**
 * Colours by kind, for light and dark. Kinds that lie beside each other differ in lightness too, and what is in nobody's
 * reach is hatched, so that the picture can be read without telling colours apart.
 *
 * @module
 */
import type { Kind } from './picture.ts';

export interface Palette {
  readonly background: string;
  readonly column: string;
  readonly text: string;
  readonly faint: string;
  readonly line: string;
  readonly hole: string;
  readonly fault: string;
  /** A stretch of a buffer of which nothing is in memory, and then ever more. */
  readonly heat: readonly string[];
  readonly onBuffer: string;
  readonly onRegion: string;
  readonly yes: string;
  readonly focus: string;
  readonly kinds: Readonly<Record<Kind, string>>;
  readonly states: Readonly<Record<'waiting' | 'running' | 'complete' | 'failed', string>>;
}

const LIGHT: Palette = {
  background: '#fbfbfd',
  column: '#eef0f4',
  text: '#1d2330',
  faint: '#6b7385',
  line: '#cfd5e0',
  hole: '#e9f5ec',
  fault: '#d4213d',
  heat: ['#dde2ea', '#fbe3a1', '#f5b652', '#e47b2c', '#b8400f'],
  onBuffer: '#ffffff',
  onRegion: '#ffffff',
  yes: '#167a58',
  focus: '#111827',
  kinds: {
    code: '#7d8bb0',
    heap: '#c98a2b',
    stack: '#c2588f',
    file: '#a9b4cc',
    anonymous: '#c2b59b',
    special: '#8b8f99',
    mirror: '#9fc9b8',
    buffer: '#1d8762',
    reservation: '#8fbfe0',
    quarantined: '#e0a3a3',
    reserved: '#7a64a4',
    unmirrorable: '#c9bddd',
  },
  states: { waiting: '#b8c0d0', running: '#3b82c4', complete: '#3b82c4', failed: '#d4213d' },
};

const DARK: Palette = {
  background: '#12151c',
  column: '#1b202b',
  text: '#e6e9f0',
  faint: '#98a1b5',
  line: '#323a4a',
  hole: '#16241d',
  fault: '#ff5d73',
  heat: ['#2a3140', '#5c3a17', '#a1591b', '#e28a2b', '#ffd98a'],
  onBuffer: '#06140e',
  onRegion: '#ffffff',
  yes: '#48d6a4',
  focus: '#ffffff',
  kinds: {
    code: '#6277b0',
    heap: '#8f6420',
    stack: '#d06ba0',
    file: '#4b587a',
    anonymous: '#6e6350',
    special: '#5c616d',
    mirror: '#2f5c4c',
    buffer: '#2fb488',
    reservation: '#346c94',
    quarantined: '#7c3f45',
    reserved: '#79629f',
    unmirrorable: '#45395f',
  },
  states: { waiting: '#465065', running: '#4d9be0', complete: '#4d9be0', failed: '#ff5d73' },
};

export const paletteOf = (theme: 'light' | 'dark'): Palette => (theme === 'dark' ? DARK : LIGHT);

/** Kinds in the order of the legend, with their names. */
export const LEGEND: readonly (readonly [Kind, string])[] = [
  ['buffer', 'buffer'],
  ['reservation', 'reserved for a buffer'],
  ['quarantined', 'freed, not yet safe'],
  ['code', 'code'],
  ['file', 'file'],
  ['heap', 'heap'],
  ['stack', 'stack'],
  ['anonymous', 'anonymous'],
  ['mirror', "mirror's own"],
  ['special', 'kernel'],
  ['reserved', 'device region'],
  ['unmirrorable', "never the host's"],
];
