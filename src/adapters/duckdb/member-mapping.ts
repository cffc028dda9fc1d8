import { TRANSACTION_MEMBERS } from '../../core/transaction/members.ts';
import { CONVERSIONS, columnValue, type MemberKind } from './member-column.ts';
import { quoteText } from './sql.ts';
import { TableFileError } from './table-file-error.ts';
import type { TableSource } from './table-source.ts';

/** The members that files carry. `metadata` is the caller's own and has no form in a column. */
export const MEMBER_KINDS = {
  transaction_id: 'text',
  user_id: 'text',
  terminal_id: 'text',
  amount: 'amount',
  currency: 'text',
  merchant_category: 'text',
  is_international: 'flag',
  timestamp: 'timestamp',
} as const satisfies Record<string, MemberKind>;

export type RecordedMember = keyof typeof MEMBER_KINDS;

/** Members that one value can stand for in a whole file; ids, times and amounts are each row's own. */
const DEFAULTABLE = {
  currency: TRANSACTION_MEMBERS.currency,
  merchant_category: TRANSACTION_MEMBERS.merchant_category,
  is_international: TRANSACTION_MEMBERS.is_international,
};

export type MemberMapping = {
  /** Contract member → column of the file; a member left out is sought under its own name. */
  readonly columns: Readonly<Record<string, string>>;
  /** Contract member → its value, as text, where the file has no such column or the row nothing in it. */
  readonly defaults: Readonly<Record<string, string>>;
  /** The column that says whether a transaction turned out to be fraud. */
  readonly labelColumn: string | undefined;
  /** The column that says, in a word, which kind of fraud it was. */
  readonly storyColumn: string | undefined;
};

/** A mapping or a default that no file could be read with. */
export class MemberMappingError extends Error {
  readonly code = 'member-mapping';

  constructor(reason: string) {
    super(reason);
    this.name = 'MemberMappingError';
  }
}

/** @throws MemberMappingError naming the member that is unknown or the default that breaks its rule. */
export function assertMapping(mapping: MemberMapping): void {
  for (const name of Object.keys(mapping.columns)) {
    if (!Object.hasOwn(MEMBER_KINDS, name)) {
      throw new MemberMappingError(
        `"${name}" is not a member that files carry: ${list(Object.keys(MEMBER_KINDS))}`,
      );
    }
  }
  for (const [name, text] of Object.entries(mapping.defaults)) assertDefault(name, text);
}

function assertDefault(name: string, text: string): void {
  if (!Object.hasOwn(DEFAULTABLE, name)) {
    throw new MemberMappingError(`"${name}" can have no default, only ${list(Object.keys(DEFAULTABLE))}`);
  }
  const member = DEFAULTABLE[name as keyof typeof DEFAULTABLE];
  const value = name === 'is_international' ? toBoolean(text) : text;
  if (!member.accepts(value)) throw new MemberMappingError(`the default of ${name} ${member.rule}`);
}

function toBoolean(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

/**
 * For each member that the file has or a default gives, for the label and the story, the SQL that makes it from a row of `source`.
 * @throws TableFileError naming the member that has no column, the column that is not there or is of no use
 */
export function memberExpressions(source: TableSource, mapping: MemberMapping): ReadonlyMap<string, string> {
  const expressions = new Map<string, string>();
  for (const member of Object.keys(MEMBER_KINDS) as RecordedMember[]) {
    const expression = memberExpression(source, mapping, member);
    if (expression !== undefined) expressions.set(member, expression);
  }
  if (mapping.labelColumn !== undefined) {
    expressions.set('label', conversion(source, mapping.labelColumn, 'flag', undefined));
  }
  if (mapping.storyColumn !== undefined) {
    expressions.set('story', conversion(source, mapping.storyColumn, 'text', undefined));
  }
  return expressions;
}

/** The file's columns that the mapping makes use of. */
export function columnsInUse(source: TableSource, mapping: MemberMapping): string[] {
  const sought = Object.keys(MEMBER_KINDS).map((member) => mapping.columns[member] ?? member);
  sought.push(...[mapping.labelColumn, mapping.storyColumn].filter((column) => column !== undefined));
  return [...new Set(sought)].filter((column) => source.columnTypes.has(column));
}

function memberExpression(
  source: TableSource,
  mapping: MemberMapping,
  member: RecordedMember,
): string | undefined {
  const column = mapping.columns[member] ?? member;
  const defaultText = mapping.defaults[member];
  if (mapping.columns[member] !== undefined || source.columnTypes.has(column)) {
    return conversion(source, column, MEMBER_KINDS[member], defaultText);
  }
  if (defaultText !== undefined)
    return CONVERSIONS[MEMBER_KINDS[member]].toSql(quoteText(defaultText), 'VARCHAR');
  if (!TRANSACTION_MEMBERS[member].required) return undefined;
  throw new TableFileError(
    source.path,
    `has no column "${member}"; name the one to take for it, or a default. It has ${list(source.columnTypes.keys())}`,
  );
}

function conversion(
  source: TableSource,
  column: string,
  kind: MemberKind,
  defaultText: string | undefined,
): string {
  const type = source.columnTypes.get(column);
  if (type === undefined) {
    throw new TableFileError(
      source.path,
      `has no column "${column}". It has ${list(source.columnTypes.keys())}`,
    );
  }
  const { types, wants, toSql } = CONVERSIONS[kind];
  if (!types.test(type)) {
    throw new TableFileError(source.path, `column "${column}" is of type ${type}, but ${wants} are wanted`);
  }
  return toSql(columnValue(column, defaultText), type);
}

function list(names: Iterable<string>): string {
  return [...names].join(', ');
}
