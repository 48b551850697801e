/**
 * How many bytes the structures have that a program's kernels take by value, and where their fields lie: argument info has
 * their names and no more, and drivers take an argument of any size (PoCL 3.1 does). The program is compiled once more for
 * it, with kernels whose required work-group size is the number asked for, which the driver tells without running anything.
 * Pure.
 *
 * @module
 */

/** Values of a digit; two of them make a work-group, which no driver may find too large. */
const DIGIT = 16;
/** Work-groups per number: enough for 2^16 bytes, and no argument may be so large. */
const GROUPS = 2;

/** A structure that is asked about, with those of its fields that are known by name. */
export interface AskedStruct {
  readonly type: string;
  readonly fields: readonly string[];
}

export interface FieldPlace {
  readonly offset: number;
  readonly size: number;
}

export interface StructPlaces {
  readonly size: number;
  /** By name; empty where the names are not known. */
  readonly fields: Readonly<Record<string, FieldPlace>>;
}

export function numberKernel(number: number, group: number): string {
  return `mirrorspace_number_${number}_${group}`;
}

/** What is asked of a structure, in the order of {@link placesFrom}. */
function questions({ type, fields }: AskedStruct): string[] {
  const places = fields.flatMap((field) => [
    `__builtin_offsetof(${type}, ${field})`,
    `sizeof(((${type} *)0)->${field})`,
  ]);
  return [`sizeof(${type})`, ...places];
}

/** The source of the program with the kernels that answer. */
export function placesSource(source: string, structs: readonly AskedStruct[]): string {
  const kernels = structs.flatMap(questions).flatMap((what, i) =>
    Array.from({ length: GROUPS }, (_, group) => {
      const digit = (place: number) => `1 + ${what} / ${DIGIT ** place} % ${DIGIT}`;
      const size = `${digit(2 * group)}, ${digit(2 * group + 1)}, 1`;
      return `__kernel __attribute__((reqd_work_group_size(${size}))) void ${numberKernel(i, group)}(void) {}\n`;
    }),
  );
  return `${source}\n${kernels.join('')}`;
}

/** The answers, of what `groupOf` says of each kernel (CL_KERNEL_COMPILE_WORK_GROUP_SIZE). */
export function placesFrom(
  structs: readonly AskedStruct[],
  groupOf: (kernel: string) => readonly number[],
): Record<string, StructPlaces> {
  let asked = 0;
  const next = (): number => {
    let number = 0;
    for (let group = 0; group < GROUPS; group++) {
      const [low = 1, high = 1] = groupOf(numberKernel(asked, group));
      number += (low - 1 + (high - 1) * DIGIT) * DIGIT ** (2 * group);
    }
    asked++;
    return number;
  };
  return Object.fromEntries(
    structs.map(({ type, fields }) => {
      const size = next();
      const places = fields.map((field) => [field, { offset: next(), size: next() }] as const);
      return [type, { size, fields: Object.fromEntries(places) }];
    }),
  );
}
