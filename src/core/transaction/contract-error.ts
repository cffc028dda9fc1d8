/** Says which member of a message breaks which rule; never repeats the member's value, which may be personal. */
export class ContractError extends Error {
  readonly code = 'contract-violation';
  readonly member: string;
  readonly rule: string;
  /** What was found, without its value: `null`, `an array`, `a string of 3 characters`, `nothing`, ... */
  readonly found: string;

  constructor(member: string, rule: string, found: string) {
    super(`${member} ${rule}, found ${found}`);
    this.name = 'ContractError';
    this.member = member;
    this.rule = rule;
    this.found = found;
  }
}

/** JSON's name for the type of a value, as a sentence says it. */
export function typeName(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** A member's name as a message may show it: only one that looks like a name, for it may be anything at all. */
export function shownName(name: string): string {
  return /^[A-Za-z_][\w.-]{0,63}$/.test(name) ? name : 'a member';
}

export function inCharacters(count: number): string {
  return count === 1 ? '1 character' : `${count} characters`;
}
