/**
 * AssemblyScript declarations: `@unmanaged` classes, whose fields are laid out as C lays them out, though without
 * padding at the end, and with a class as the type of a field always a reference. So scalars are fields; what has no
 * field of its own there (pointers of 8 bytes, structs and arrays by value, unions, bit-fields) is bytes with an
 * accessor, inlined to one load. Names of the generator's own contain `$`, which no name of a user's may.
 *
 * @module
 */
import { bitAccessors } from './assemblyscript-bits.ts';
import { declared, partsOf } from './declared.ts';
import { layoutOf, sizeof } from './rules.ts';
import { type AnyType, type ArrayType, isType, type Struct, type Type } from './types.ts';

const THIS = 'changetype<usize>(this)';

/**
 * Declares the types, and all that they hold or point to, in AssemblyScript for 32-bit WebAssembly. `node.left` is
 * `Left | null`, a load of the pointer's low half; storing it clears the high half. A pointer to anything but a struct or
 * an array is a `usize`. Arrays are indexed, unchecked: `node.weights[i]`.
 *
 * Throws RangeError where two structs have one name.
 */
export function toAssemblyScript(...types: Type[]): string {
  const structs = declared(types);
  const arrays = new Map<string, ArrayType>();
  for (const type of [...structs, ...types]) collectArrays(type as AnyType, arrays);
  return [...[...arrays].map(([name, type]) => arrayClass(name, type)), ...structs.map(structClass)].join(
    '\n',
  );
}

function collectArrays(type: AnyType, found: Map<string, ArrayType>): void {
  if (type.kind === 'struct' || type.kind === 'union') {
    for (const field of layoutOf(type).fields) {
      if (field.type.kind === 'array' || field.type.kind === 'pointer') collectArrays(field.type, found);
    }
  } else if (type.kind === 'pointer' && isType(type.target)) {
    if (type.target.kind === 'array') collectArrays(type.target, found);
  } else if (type.kind === 'array') {
    const name = nameOf(type);
    if (found.has(name)) return;
    found.set(name, type);
    const element = type.element as AnyType;
    if (element.kind === 'array' || element.kind === 'pointer') collectArrays(element, found);
  }
}

/** The type of a value in AssemblyScript. */
function nameOf(type: AnyType): string {
  switch (type.kind) {
    case 'scalar':
      return type.name;
    case 'bits':
      return type.base.name;
    case 'array':
      return `${elementName(type.element as AnyType)}$${type.length}`;
    case 'pointer': {
      const target = classTarget(type.target);
      return target ? `${nameOf(target)} | null` : 'usize';
    }
    default:
      return type.name;
  }
}

/** What an array's class is named after; both sizes of pointer read as one type, and are not one array. */
function elementName(type: AnyType): string {
  if (type.kind !== 'pointer') return nameOf(type);
  const target = classTarget(type.target);
  return `${target ? nameOf(target) : 'void'}$${type.size === 4 ? 'ptr32' : 'ptr'}`;
}

/** What a pointer leads to, where that is a class. */
function classTarget(target: unknown): AnyType | undefined {
  if (!isType(target)) return undefined;
  return target.kind === 'struct' || target.kind === 'union' || target.kind === 'array' ? target : undefined;
}

function structClass(type: Struct): string {
  const { size } = layoutOf(type);
  const lines: string[] = [];
  let end = 0;
  const fill = (until: number, name: string) => {
    if (until <= end) return;
    lines.push(words(end, until, name));
    end = until;
  };
  if (type.kind === 'union') fill(size, 'union');
  for (const part of partsOf(type)) {
    fill(part.offset, `padding${end}`);
    if (part.kind === 'bits') {
      fill(part.end, `bits${part.offset}`);
      continue;
    }
    const { name, offset, type: field } = part;
    const plain = field.kind === 'scalar' || (field.kind === 'pointer' && field.size === 4);
    if (plain && type.kind === 'struct') {
      lines.push(`  ${name}: ${nameOf(field)};`);
      end = offset + sizeof(field);
      continue;
    }
    if (field.kind === 'pointer' && field.size === 8 && type.kind === 'struct') {
      lines.push(`  ${name}$low: u32; ${name}$high: u32;`);
      end = offset + 8;
    }
    fill(offset + sizeof(field), name);
    lines.push(...property(name, field, `${THIS} + ${offset}`));
  }
  lines.push(...bitAccessors(type));
  fill(size, `padding${end}`);
  return `@unmanaged\nexport class ${type.name} {\n${lines.join('\n')}\n}\n`;
}

/** Fields that take the bytes [from, until): the largest words that are aligned there, so that none adds padding. */
function words(from: number, until: number, name: string): string {
  const fields: string[] = [];
  for (let at = from; at < until; ) {
    const size = [8, 4, 2, 1].find((each) => at % each === 0 && at + each <= until)!;
    fields.push(`${name}$${fields.length}: u${8 * size};`);
    at += size;
  }
  return `  ${fields.join(' ')}`;
}

function property(name: string, type: AnyType, at: string): string[] {
  const shown = nameOf(type);
  const getter = `  @inline get ${name}(): ${shown} { return ${load(type, at)}; }`;
  const stores = store(type, at);
  return stores ? [getter, `  @inline set ${name}(value: ${shown}) { ${stores} }`] : [getter];
}

function load(type: AnyType, at: string): string {
  if (type.kind === 'scalar') return `load<${type.name}>(${at})`;
  if (type.kind !== 'pointer') return `changetype<${nameOf(type)}>(${at})`;
  const shown = nameOf(type);
  return shown === 'usize' ? `<usize>load<u32>(${at})` : `changetype<${shown}>(<usize>load<u32>(${at}))`;
}

function store(type: AnyType, at: string): string | undefined {
  if (type.kind === 'scalar') return `store<${type.name}>(${at}, value);`;
  if (type.kind !== 'pointer') return undefined;
  const value = nameOf(type) === 'usize' ? 'value' : 'changetype<usize>(value)';
  return type.size === 4
    ? `store<u32>(${at}, <u32>${value});`
    : `store<u32>(${at}, <u32>${value}); store<u32>(${at}, 0, 4);`;
}

function arrayClass(name: string, type: ArrayType): string {
  const element = type.element as AnyType;
  const shown = nameOf(element);
  const at = `${THIS} + <usize>index * ${sizeof(element)}`;
  const stores = store(element, at);
  return [
    '@unmanaged',
    `export class ${name} {`,
    `  @inline get length(): i32 { return ${type.length}; }`,
    `  @inline @operator('[]') get(index: i32): ${shown} { return ${load(element, at)}; }`,
    ...(stores ? [`  @inline @operator('[]=') set(index: i32, value: ${shown}): void { ${stores} }`] : []),
    '}\n',
  ].join('\n');
}
