/**
 * Constant expressions (core specification 3.0, sections 3.4.4 "Constant Expressions" and 5.4.9
 * "Expressions"): initial values of globals, and offsets of data segments. An expression is computed where it
 * is made of `i32` constants, extended-constant arithmetic and immutable globals that are themselves known.
 * Whatever else it is made of is still read to its end, and comes out as undefined.
 *
 * @module
 */

import type { ByteReader } from './reader.ts';
import type { GlobalType } from './types.ts';

/** A global of the index space, imported or defined. */
export interface GlobalInfo extends GlobalType {
  /** The initial value of an `i32` global whose initializer is constant. */
  readonly value: number | undefined;
}

type Known = number | undefined;

const i32Arithmetic: Readonly<Record<number, (a: number, b: number) => number>> = {
  106: (a, b) => (a + b) | 0,
  107: (a, b) => (a - b) | 0,
  108: (a, b) => Math.imul(a, b),
};

/** Reads one expression up to and with its `end`; the answer is a signed 32-bit number, or undefined. */
export function readConstant(reader: ByteReader, globals: readonly GlobalInfo[]): Known {
  const start = reader.position;
  const stack: Known[] = [];
  for (;;) {
    const at = reader.position;
    const opcode = reader.byte();
    switch (opcode) {
      case 0x0b: // end
        if (stack.length !== 1) {
          throw reader.malformed(`a constant expression that leaves ${stack.length} values`, start);
        }
        return stack[0];
      case 0x41: // i32.const
        stack.push(reader.signed(32));
        break;
      case 0x42: // i64.const
        reader.signed(64);
        stack.push(undefined);
        break;
      case 0x43: // f32.const
        reader.skip(4);
        stack.push(undefined);
        break;
      case 0x44: // f64.const
        reader.skip(8);
        stack.push(undefined);
        break;
      case 0x23: // global.get
        stack.push(readGlobal(reader, globals, at));
        break;
      case 0xd0: // ref.null
        reader.signed(33);
        stack.push(undefined);
        break;
      case 0xd2: // ref.func
        reader.unsigned();
        stack.push(undefined);
        break;
      case 0xfd: // v128.const
        if (reader.unsigned() !== 12) throw reader.malformed('a vector instruction that is not constant', at);
        reader.skip(16);
        stack.push(undefined);
        break;
      case 0x6a: // i32.add, sub, mul
      case 0x6b:
      case 0x6c:
      case 0x7c: // i64.add, sub, mul
      case 0x7d:
      case 0x7e: {
        if (stack.length < 2) throw reader.malformed('an operator with too few operands', at);
        const b = stack.pop();
        const a = stack.pop();
        const compute = i32Arithmetic[opcode];
        stack.push(compute && a !== undefined && b !== undefined ? compute(a, b) : undefined);
        break;
      }
      case 0xfb:
        throw reader.unsupported('a constant expression that makes a garbage-collected object', at);
      default:
        throw reader.malformed(`instruction 0x${opcode.toString(16)} is not constant`, at);
    }
  }
}

function readGlobal(reader: ByteReader, globals: readonly GlobalInfo[], at: number): Known {
  const index = reader.unsigned();
  const global = globals[index];
  if (global === undefined) throw reader.malformed(`there is no global ${index} to read yet`, at);
  return global.mutable ? undefined : global.value;
}
