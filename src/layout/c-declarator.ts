/**
 * What C and OpenCL C have in common: declarators, which wrap a name from the inside out (`float (*rows)[16]`).
 *
 * @module
 */
import { type AnyType, isType, type ScalarName } from './types.ts';

/** How C's dialects differ. */
export interface Dialect {
  readonly scalars: Readonly<Record<ScalarName, string>>;
  /** Before the type that a pointer leads to: OpenCL's address space. */
  readonly space: string;
  /** Declares a pointer of 8 bytes; `array` is `[4]` where there are several. */
  pointer(target: unknown, name: string, array: string): string;
}

/** A member without its semicolon: `float weights[16]`. */
export function declare(type: AnyType, name: string, dialect: Dialect, array = ''): string {
  switch (type.kind) {
    case 'scalar':
      return `${dialect.scalars[type.name]} ${name}${array}`;
    case 'bits':
      return `${dialect.scalars[type.base.name]} ${name} : ${type.width}`;
    case 'pointer':
      return type.size === 4
        ? `${dialect.scalars.u32} ${name}${array} /* ${pointerTo(type.target, '', dialect)}, 32 bits */`
        : dialect.pointer(type.target, name, array);
    case 'array':
      return declare(type.element as AnyType, name, dialect, `${array}[${type.length}]`);
    default:
      return `${type.kind} ${type.name} ${name}${array}`;
  }
}

/** `struct Node *name`. What a pointer to a pointer leads to is the word that holds it, of 8 bytes on any machine. */
export function pointerTo(target: unknown, name: string, dialect: Dialect): string {
  const { space, scalars } = dialect;
  if (!isType(target)) return `${space}void *${name}`;
  switch (target.kind) {
    case 'pointer':
      return `${space}${target.size === 4 ? scalars.u32 : scalars.u64} *${name}`;
    case 'array': {
      let element: AnyType = target;
      let lengths = '';
      while (element.kind === 'array') {
        lengths += `[${element.length}]`;
        element = element.element as AnyType;
      }
      return pointerTo(element, `(*${name})${lengths}`, dialect).replace(' *(', ' (');
    }
    default:
      return space + declare(target, `*${name}`, dialect);
  }
}
