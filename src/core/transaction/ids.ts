/** Identifiers, made only by their parsers, so that a user is never taken for a terminal. */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TransactionId = Branded<'transaction'>;
export type UserId = Branded<'user'>;
export type TerminalId = Branded<'terminal'>;

/**
 * Printable ASCII without space, quote and backslash: such an id needs no escaping in JSON, logs, URLs' paths
 * or terminal output, and its length in characters is its length in bytes.
 */
export const ID_PATTERN = '^[!#-\\[\\]-~]{1,128}$';
export const ID_MAX_CHARACTERS = 128;

/** True if `text` is 1 to 128 characters of `ID_PATTERN`; a loop, because this runs for every transaction. */
export function isId(text: string): boolean {
  if (text.length === 0 || text.length > ID_MAX_CHARACTERS) return false;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code <= 0x20 || code >= 0x7f || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}
