import { parseArgs } from 'node:util';

/** An option of a verb, as `--help` shows it. */
export type Option = {
  /** What stands behind it, `DIR` or `N`; an option without one is a switch. */
  readonly value?: string;
  readonly description: string;
  readonly default?: string;
  readonly isRepeatable?: boolean;
};

export type Options = Readonly<Record<string, Option>>;

/** A verb of the command line. */
export type Command = {
  readonly name: string;
  /** One line for the list of verbs. */
  readonly summary: string;
  /** What stands behind the verb: `FILE... --out FILE`. */
  readonly usage: string;
  /** What a newcomer wants to know, with examples. */
  readonly help: string;
  readonly options: Options;
  /** It takes words that are no options: files, an id. A verb without this refuses them. */
  readonly takesWords?: true;
  readonly run: (arguments_: Arguments) => Promise<void>;
};

type OptionValues = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;

/** The words behind a verb, checked against its options. */
export class Arguments {
  readonly positionals: readonly string[];
  readonly #values: OptionValues;
  readonly #options: Options;

  private constructor(positionals: readonly string[], values: OptionValues, options: Options) {
    this.positionals = positionals;
    this.#values = values;
    this.#options = options;
  }

  /** @throws UsageError naming an option or a word that the verb does not take, or an option without its value */
  static parse(words: readonly string[], { name, options, takesWords }: Command): Arguments {
    const parsed = Arguments.#parseWords(words, options);
    const [word] = parsed.positionals;
    if (takesWords || word === undefined) return parsed;
    const known = Object.keys(options).map((option) => `--${option}`);
    throw new UsageError(`fraud ${name} takes no word "${word}"; its options are ${known.join(', ')}`);
  }

  static #parseWords(words: readonly string[], options: Options): Arguments {
    const entries = Object.entries(options).map(([name, { value, isRepeatable = false }]) => {
      return [
        name,
        { type: value ? ('string' as const) : ('boolean' as const), multiple: isRepeatable },
      ] as const;
    });
    try {
      const parsed = parseArgs({
        args: [...words],
        options: Object.fromEntries(entries),
        allowPositionals: true,
      });
      return new Arguments(parsed.positionals, parsed.values, options);
    } catch (error) {
      throw new UsageError((error as Error).message.split('. ')[0]);
    }
  }

  has(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    return (this.#values[name] as string | undefined) ?? this.#options[name]?.default;
  }

  texts(name: string): readonly string[] {
    return (this.#values[name] as string[] | undefined) ?? [];
  }

  /** @throws UsageError if the option is missing */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`--${name} is missing: ${this.#options[name].description}`);
    return value;
  }

  /** @throws UsageError if the option is not a whole number in the range */
  wholeNumber(name: string, least: number, most: number): number {
    const text = this.required(name);
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, not "${text}"`);
  }
}

/** What was typed cannot be done as typed. The message says what to type instead. */
export class UsageError extends Error {
  readonly code = 'usage';
}
