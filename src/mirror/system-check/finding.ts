/**
 * What a look at the machine found, one thing at a time: whether it is there, what it is for, and the command that brings
 * it where it is not. Pure.
 *
 * @module
 */

/** One thing that Mirrorspace uses, as it is on this machine. Plain JSON. */
export interface SystemFinding {
  /** Stable: `userfaultfd`, `max-map-count`. */
  readonly id: string;
  readonly group: 'runtime' | 'memory' | 'faults' | 'limits';
  /** `limited`: there, and less than it could be; `missing`: not there. */
  readonly status: 'ok' | 'limited' | 'missing';
  /** Without it there is no mirror at all. */
  readonly required: boolean;
  /** What was found, in words. */
  readonly found: string;
  /** What it is for. */
  readonly purpose: string;
  /** What to do where it is not `ok`: a command, or what to ask for. */
  readonly remedy?: string;
}

/** What is known of a thing before it is looked at. */
export type Subject = Pick<SystemFinding, 'id' | 'group' | 'purpose'> & { readonly required?: boolean };

/** What a look at it gives; nothing wrong with it where there is a text alone. */
export type Look = string | Pick<SystemFinding, 'status' | 'found' | 'remedy'>;

/** Looks. A probe that throws has found that the thing is not there, with the error's words. */
export function examine(subject: Subject, remedy: string | undefined, probe: () => Look): SystemFinding {
  const { id, group, purpose, required = false } = subject;
  let look: Look;
  try {
    look = probe();
  } catch (error) {
    look = { status: 'missing', found: error instanceof Error ? error.message : String(error) };
  }
  if (typeof look === 'string') return { id, group, status: 'ok', required, found: look, purpose };
  const advice = look.remedy ?? (look.status === 'ok' ? undefined : remedy);
  const { status, found } = look;
  return { id, group, status, required, found, purpose, ...(advice === undefined ? {} : { remedy: advice }) };
}
