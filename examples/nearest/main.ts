/**
 * The nearest airport to every pixel of the world. JavaScript builds a kd-tree of points in mirrored memory,
 * linked by ordinary pointers; a device with cores of its own follows those very pointers, a query per pixel;
 * JavaScript reads the answers where the device wrote them. Nothing is copied or translated on the way.
 *
 *     npm start                                   npm start -- --help
 *     npm start -- cities.csv --out cities.png    npm start -- --region=-126,22,-66,52
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeRefusal, formatBytes, hex, type Mirror, MirrorError, openMirror, wasmDevice } from 'mirrorspace';
import colours from 'picocolors';
import { survey, surveyKey, surveyLine, surveyTable, whyThere } from './address-space.ts';
import { KERNELS } from './build.ts';
import { check, randomPixels } from './check.ts';
import { gridLength, kilometres, writeGrid } from './globe.ts';
import { buildTree, openTree, toObjects, treeBytes } from './kd-tree.ts';
import { drawLand } from './land.ts';
import { cloneCost, handOver, searchRate } from './measure.ts';
import { type Options, parseOptions, USAGE, UsageError } from './options.ts';
import { drawPicture } from './picture.ts';
import { InputError, type Points, readPoints } from './points.ts';
import { compareRoots, describeInput, showProgress } from './report.ts';
import { BruteForce, randomNumbers } from './search.ts';
import { count, duration, heading, table } from './table.ts';

/** Pixels of the map, unless --size says otherwise. */
const MAP_SIZE = '1600x1000';
/** Answers of the device that are checked by brute force. */
const CHECKED_PIXELS = 2_000;

process.exitCode = await main(process.argv.slice(2));
