/**
 * Which OpenCL devices there are, and which one the options of `openclDevice` mean.
 *
 * @module
 */
import { invalidType, outOfRange, UnsupportedError } from '../../errors.ts';
import { type FoundDevice, findDevices, type OpenClDeviceInfo } from './icd/devices.ts';

/** Which device is meant, by name (a part of it, in any case) or by number, from 0. */
export interface OpenClChoice {
  /** Of the platform: `'portable computing'` is PoCL's. A number counts platforms. */
  readonly platform?: string | number;
  /** Of the device, within the platforms that fit. A number counts those devices. */
  readonly device?: string | number;
}

/**
 * All devices of all OpenCL drivers that are installed, with what each says of itself; those too that `openclDevice`
 * would refuse. Loads the drivers into this process. Throws UnsupportedError where there is no loader or no driver.
 */
export function listOpenclDevices(): OpenClDeviceInfo[] {
  return findDevices().map(({ info }) => info);
}

/** Throws TypeError or RangeError. */
export function checkChoice(choice: OpenClChoice): OpenClChoice {
  const { platform, device } = choice;
  for (const [name, value] of Object.entries({ platform, device })) {
    if (value === undefined) continue;
    if (typeof value !== 'string' && typeof value !== 'number')
      throw invalidType(name, 'a part of its name, or its number', value);
    if (value === '') throw outOfRange(name, 'a part of its name, not empty', value);
    if (typeof value === 'number' && (!Number.isSafeInteger(value) || value < 0))
      throw outOfRange(name, 'an integer >= 0', value);
  }
  return { ...(platform === undefined ? {} : { platform }), ...(device === undefined ? {} : { device }) };
}

/**
 * Those that are meant, in the loader's order: the first that is fit for use is taken. Throws UnsupportedError where
 * nothing is, with what there is.
 */
export function chosen({ platform, device }: OpenClChoice): FoundDevice[] {
  const all = findDevices();
  const platforms = [...new Set(all.map(({ info }) => info.platform))];
  const ofPlatform = all.filter(
    ({ info }) =>
      platform === undefined ||
      (typeof platform === 'number'
        ? platforms.indexOf(info.platform) === platform
        : contains(info.platform.name, platform)),
  );
  const found = ofPlatform.filter(
    ({ info }, i) =>
      device === undefined || (typeof device === 'number' ? i === device : contains(info.name, device)),
  );
  if (found.length > 0) return found;
  const there = all.map(({ info }) => `'${info.name}' of '${info.platform.name}'`);
  throw new UnsupportedError(
    'such an OpenCL device',
    `No OpenCL device is as the options say (${JSON.stringify({ platform, device })}); there ${
      there.length === 0 ? 'is none at all' : `are ${there.join(', ')}`
    }`,
  );
}

function contains(name: string, part: string): boolean {
  return name.toLowerCase().includes(part.toLowerCase());
}
