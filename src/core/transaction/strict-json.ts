/**
 * JSON as a door may take it: bounded depth, and no member twice in one object, which `JSON.parse` lets pass by
 * keeping the last (so that two readers of one message could see two amounts).
 *
 * One scan of the text counts members and depth before the engine's parser runs; afterwards the parsed value's own
 * members are counted. Fewer members than the text had means that one was named twice.
 */
import { ContractError, inCharacters, shownName } from './contract-error.ts';

export const MAX_JSON_DEPTH = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const BYTE_ORDER_MARK = 0xfeff;

/** The value of `text`. @throws ContractError naming the rule; never quotes the text. */
export function parseStrictJson(text: string): unknown {
  const memberCount = countMembers(text);
  const value = parseJson(text);
  if (ownMemberCount(value) !== memberCount) {
    throw new ContractError(
      firstRepeatedMember(text),
      'must be there only once in its object',
      'it more than once',
    );
  }
  return value;
}

/** Members in all objects of the text, by its colons outside of strings. */
function countMembers(text: string): number {
  let members = 0;
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) index = endOfString(text, index);
    else if (code === COLON) members++;
    else if (code === 0x7b || code === 0x5b) {
      if (++depth > MAX_JSON_DEPTH) {
        throw new ContractError('body', `must nest at most ${MAX_JSON_DEPTH} levels deep`, 'more levels');
      }
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return members;
}

/** Index of the quote that ends the string begun at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end;
}

function isEscaped(text: string, index: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(index - 1 - backslashes) === BACKSLASH) backslashes++;
  return backslashes % 2 === 1;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ContractError('body', 'must be valid JSON', foundInstead(text, error as SyntaxError));
  }
}

/** The engine's message quotes the text; only the kind of error and, where it is there, the place are taken from it. */
function foundInstead(text: string, { message }: SyntaxError): string {
  if (text.trim() === '') return 'nothing';
  if (text.charCodeAt(0) === BYTE_ORDER_MARK) return 'a byte order mark before it';
  if (/end of JSON|unterminated/i.test(message)) return 'an unexpected end';
  const place = /position (\d+)/.exec(message)?.[1];
  return place === undefined ? 'other text' : `an error after ${inCharacters(Number(place))}`;
}

function ownMemberCount(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += ownMemberCount(item);
    return count;
  }
  const members = value as Record<string, unknown>;
  for (const name in members) {
    count++;
    const member = members[name];
    if (typeof member === 'object') count += ownMemberCount(member);
  }
  return count;
}

/** Only for the message: the first name that appears twice in one object of a text known to be valid JSON. */
function firstRepeatedMember(text: string): string {
  const seen: Set<string>[] = [];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x7b || code === 0x5b) seen.push(new Set());
    else if (code === 0x7d || code === 0x5d) seen.pop();
    else if (code === QUOTE) {
      const end = endOfString(text, index);
      if (isFollowedByColon(text, end)) {
        const name: string = JSON.parse(text.slice(index, end + 1));
        if (seen.at(-1)?.has(name)) return shownName(name);
        seen.at(-1)?.add(name);
      }
      index = end;
    }
  }
  return 'a member';
}

function isFollowedByColon(text: string, end: number): boolean {
  let index = end + 1;
  while (text.charCodeAt(index) <= 0x20) index++;
  return text.charCodeAt(index) === COLON;
}
