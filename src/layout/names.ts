/**
 * Which names structs and fields may have: what C, AssemblyScript and JavaScript all take as an identifier, so that one
 * declaration holds everywhere. Refused with the name and the reason, when the struct is made. OpenCL C's own words are
 * refused only where OpenCL C is asked for.
 *
 * @module
 */
import { invalidType, outOfRange } from '../errors.ts';

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** C17 6.4.1 and C23, and the macros that every C file of ours sees or that GNU C predefines. */
const c = /* @__PURE__ */ words(`
  alignas alignof auto bool break case char const constexpr continue default do double else enum extern false float for
  goto if inline int long nullptr register restrict return short signed sizeof static static_assert struct switch
  thread_local true typedef typeof typeof_unqual union unsigned void volatile while asm
  NULL offsetof linux unix i386`);

/** ECMAScript's reserved words, and what AssemblyScript's parser does not take as the name of a field. */
const script = /* @__PURE__ */ words(`
  abstract as async await break case catch class const continue debugger declare default delete do else enum export
  extends false finally for function if implements import in instanceof interface let new null of override package
  private protected public return static super switch this throw true try typeof var void while with yield`);

/** Not for types: what AssemblyScript does not take as a class, or would lose to one, and C's fixed-width types. */
const typeNames = /* @__PURE__ */ words(`
  from get is keyof module namespace readonly set type
  i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 isize usize v128 boolean string number symbol object any never undefined
  load store changetype sizeof offsetof alignof assert
  int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t ptrdiff_t max_align_t wchar_t`);

/** OpenCL C 3.0, section 6.1.9: keywords, and the scalar types of 6.3.1. Vector and image types are matched by shape. */
const openCL = /* @__PURE__ */ words(`
  global local constant private generic kernel read_only write_only read_write pipe uniform half quad complex imaginary
  uchar ushort uint ulong event_t queue_t ndrange_t clk_event_t reserve_id_t sampler_t intptr_t uintptr_t
  image1d_t image2d_t image3d_t image1d_array_t image2d_array_t image1d_buffer_t`);
const openCLVector = /^(bool|u?char|u?short|u?int|u?long|half|float|double|quad)(2|3|4|8|16)$/;

/** What an accessor has of its own. */
const accessor = /* @__PURE__ */ words('address move toJSON constructor');

/** Throws TypeError or RangeError where a struct (or, with `owner`, a field of it) cannot have this name. */
export function checkName(name: unknown, owner?: string): asserts name is string {
  const what = owner === undefined ? 'name' : `a field name of ${owner}`;
  if (typeof name !== 'string') throw invalidType(what, 'a string', name);
  const reason = refusal(name, owner !== undefined);
  if (reason !== undefined) throw outOfRange(what, reason, name);
}

function refusal(name: string, field: boolean): string | undefined {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return 'an identifier (letters, digits and _)';
  if (/^_[A-Z_]/.test(name)) return 'a name that C does not reserve for its implementation';
  if (c.has(name)) return 'a name that is not reserved in C';
  if (script.has(name)) return 'a name that is not reserved in AssemblyScript or JavaScript';
  if (field && accessor.has(name)) return 'a name that accessors do not use themselves';
  if (!field && typeNames.has(name)) return 'a name that C or AssemblyScript has no other use for';
  return undefined;
}

/** Throws RangeError where OpenCL C has another use for the name. */
export function checkOpenCLName(name: string, what: string): void {
  if (openCL.has(name) || openCLVector.test(name)) {
    throw outOfRange(what, 'a name that is not reserved in OpenCL C', name);
  }
}
