/**
 * The names of the fields of a structure, read from a program's source: the compiler is asked then where they lie. What is
 * no plain declaration (macros, conditions, a header's) gives nothing, and what is read wrongly does not compile. Pure.
 *
 * @module
 */

const COMMENTS = /\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
/** With parentheses in parentheses, as `__attribute__((aligned(8)))` has them. */
const ATTRIBUTES = /__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)/g;
const HEAD = /\b(typedef\s+)?(?:struct|union)\b\s*([A-Za-z_]\w*)?\s*\{/g;

/** Of `struct Node`, or of `Node` that is a typedef; undefined where it is not declared in so many words, or twice. */
export function fieldNames(source: string, type: string): string[] | undefined {
  const text = source.replace(COMMENTS, ' ').replace(ATTRIBUTES, ' ');
  const name = type.replace(/^(struct|union) /, '');
  const bodies: string[] = [];
  for (const head of text.matchAll(HEAD)) {
    const start = head.index + head[0].length;
    const end = closing(text, start);
    if (end === undefined) return undefined;
    const named = head[2] === name || (head[1] && declares(text.slice(end + 1), name));
    if (named) bodies.push(text.slice(start, end));
  }
  const [body] = bodies;
  return body === undefined || bodies.length > 1 ? undefined : namesIn(body);
}

/** Where the brace closes that was opened before `start`. */
function closing(text: string, start: number): number | undefined {
  let depth = 1;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  return undefined;
}

/** Whether what follows a body in a typedef declares that name. */
function declares(rest: string, name: string): boolean {
  const [declarators = ''] = rest.split(';', 1);
  return declarators.split(',').some((each) => each.trim() === name);
}

function namesIn(body: string): string[] | undefined {
  if (body.includes('#')) return undefined;
  let flat = body;
  // Those within a structure within it are its own business.
  for (let before = ''; before !== flat; ) {
    before = flat;
    flat = flat.replace(/\{[^{}]*\}/g, ' ');
  }
  const names: string[] = [];
  for (const declaration of flat.split(';').map((each) => each.replace(/\[[^\]]*\]/g, ' ').trim())) {
    if (declaration === '' || /^(struct|union)$/.test(declaration)) continue;
    for (const declarator of declaration.split(',')) {
      const name = /([A-Za-z_]\w*)\s*$/.exec(declarator)?.[1];
      if (name === undefined) return undefined;
      names.push(name);
    }
  }
  return names;
}
