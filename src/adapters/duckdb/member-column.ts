/**
 * How a column of a file becomes a member of the contract. SQL only converts: what cannot be converted, or is not there,
 * comes out as a value that no rule accepts (empty text, NaN, FLAG_UNREADABLE), and the contract's own rules refuse it.
 */
import { quoteName, quoteText } from './sql.ts';

export type MemberKind = 'text' | 'amount' | 'flag' | 'timestamp';

export const FLAG_FALSE = 0;
export const FLAG_TRUE = 1;
export const FLAG_ABSENT = 2;
export const FLAG_UNREADABLE = 3;

const INTEGER = 'U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?';
const FRACTION = String.raw`FLOAT|DOUBLE|DECIMAL\(.*\)`;

type Conversion = {
  /** The column types that mean something for this kind. */
  readonly types: RegExp;
  readonly wants: string;
  readonly toSql: (value: string, type: string) => string;
};

export const CONVERSIONS: Readonly<Record<MemberKind, Conversion>> = {
  text: {
    types: new RegExp(`^(VARCHAR|UUID|${INTEGER})$`),
    wants: 'text or whole numbers',
    toSql: (value) => `coalesce(CAST(${value} AS VARCHAR), '')`,
  },
  amount: {
    types: new RegExp(`^(VARCHAR|${INTEGER}|${FRACTION})$`),
    wants: 'numbers',
    toSql: (value) => `coalesce(TRY_CAST(${value} AS DOUBLE), 'nan'::DOUBLE)`,
  },
  flag: {
    types: new RegExp(`^(BOOLEAN|VARCHAR|${INTEGER}|${FRACTION})$`),
    wants: 'true and false or 1 and 0',
    toSql: flagSql,
  },
  timestamp: {
    types: /^(VARCHAR|TIMESTAMP.*)$/,
    wants: 'timestamps, or text in the form of RFC 3339',
    toSql: (value, type) => `coalesce(epoch_ms(${momentSql(value, type)})::DOUBLE, 'nan'::DOUBLE)`,
  },
};

/** The column's value, or the default where a row has none. */
export function columnValue(column: string, defaultText: string | undefined): string {
  const name = quoteName(column);
  return defaultText === undefined ? name : `coalesce(CAST(${name} AS VARCHAR), ${quoteText(defaultText)})`;
}

function flagSql(value: string): string {
  const text = `lower(CAST(${value} AS VARCHAR))`;
  return (
    `CASE WHEN ${value} IS NULL THEN ${FLAG_ABSENT}` +
    ` WHEN ${text} IN ('1', 'true', '1.0') THEN ${FLAG_TRUE}` +
    ` WHEN ${text} IN ('0', 'false', '0.0') THEN ${FLAG_FALSE}` +
    ` ELSE ${FLAG_UNREADABLE} END::UTINYINT`
  );
}

/**
 * DuckDB alone would take dates, `24:00` and names of zones for moments. A time without a zone is UTC here, because
 * recorded files mostly come without one; a request has to say it.
 */
const MOMENT_PATTERN = String.raw`\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?`;

function momentSql(value: string, type: string): string {
  if (type === 'TIMESTAMP WITH TIME ZONE') return finiteSql(value);
  if (type !== 'VARCHAR') return finiteSql(`CAST(${value} AS TIMESTAMP)`);
  const isMoment = `regexp_full_match(upper(${value}), ${quoteText(MOMENT_PATTERN)})`;
  return `CASE WHEN ${isMoment} THEN TRY_CAST(upper(${value}) AS TIMESTAMPTZ) END`;
}

function finiteSql(moment: string): string {
  return `CASE WHEN isfinite(${moment}) THEN ${moment} END`;
}
