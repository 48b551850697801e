/**
 * The accessors of structs and unions: one class per type, with a getter and a setter per field on its prototype. A
 * field that has fields is an accessor too, made once per parent and set to its place whenever it is read.
 *
 * @module
 */
import { type Codec, codecOf, refusal } from './codec.ts';
import { assign, type Cursor, type CursorClass, cursorClass, failed } from './cursor.ts';
import { type Field, layoutOf, sizeof } from './rules.ts';
import type { AnyType, ArrayType, Struct } from './types.ts';

/** The class of a type that has parts. */
export type ClassOf = (type: Struct | ArrayType) => CursorClass;

type Property = { get(this: Cursor): unknown; set(this: Cursor, value: unknown): void };

export function structClass(type: Struct, classOf: ClassOf): CursorClass {
  const { size, align, fields } = layoutOf(type);
  const composed = fields.filter((field) => hasParts(field.type));
  const made = cursorClass({ name: type.name, size, align, parts: composed.length });
  for (const field of fields) {
    const name = `${type.name}.${field.name}`;
    const codec = codecOf(field.type, field.shift);
    const property = codec
      ? valueProperty(codec, field.offset, name)
      : partProperty(field, composed.indexOf(field), name, classOf);
    Object.defineProperty(made.prototype, field.name, { ...property, enumerable: true, configurable: true });
  }
  const shown = fields.map((field) => ({ field, codec: codecOf(field.type, field.shift) }));
  const toJSON = function toJSON(this: Cursor): object {
    return Object.fromEntries(shown.map(({ field, codec }) => [field.name, showField(this, field, codec)]));
  };
  Object.defineProperty(made.prototype, 'toJSON', { value: toJSON, configurable: true, writable: true });
  Object.defineProperty(made, 'name', { value: type.name });
  return made;
}

export function hasParts(type: AnyType): type is Struct | ArrayType {
  return type.kind === 'struct' || type.kind === 'union' || type.kind === 'array';
}

function valueProperty(codec: Codec, offset: number, name: string): Property {
  const { read, accepts, write } = codec;
  return {
    get() {
      try {
        return read(this.$view, this.$base + offset, name);
      } catch (error) {
        throw failed(this, name, error);
      }
    },
    set(value) {
      if (!accepts(value)) throw refusal(name, codec, value);
      try {
        write(this.$view, this.$base + offset, value);
      } catch (error) {
        throw failed(this, name, error);
      }
    },
  };
}

function partProperty(field: Field, index: number, name: string, classOf: ClassOf): Property {
  const { offset } = field;
  const type = field.type as Struct | ArrayType;
  const size = sizeof(type);
  return {
    get() {
      const part = partOf(this, index, type, classOf);
      part.$base = this.$base + offset;
      return part;
    },
    set(value) {
      assign(this, offset, value, classOf(type), size, name);
    },
  };
}

function partOf(cursor: Cursor, index: number, type: Struct | ArrayType, classOf: ClassOf): Cursor {
  const part = cursor.$parts[index];
  if (part !== undefined) return part;
  const made = new (classOf(type))(cursor.$region);
  cursor.$parts[index] = made;
  return made;
}

function showField(cursor: Cursor, field: Field, codec: Codec | undefined): unknown {
  if (!codec) return (cursor as unknown as Record<string, Cursor>)[field.name]!.toJSON();
  try {
    return codec.show(cursor.$view, cursor.$base + field.offset);
  } catch (error) {
    throw failed(cursor, field.name, error);
  }
}
