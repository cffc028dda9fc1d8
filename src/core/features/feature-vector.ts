import type { Transaction } from '../transaction/transaction.ts';
import { EntityActivity, type Window, type WindowActivity } from './activity.ts';
import { FEATURES } from './catalogue.ts';
import type { HistoryView } from './entity-history.ts';
import type { Entity, Feature, FeatureScope } from './feature.ts';

/** The histories of a transaction's entities as they were right after it was recorded in them. */
export type HistoryViews = {
  readonly user: HistoryView;
  /** Undefined where the transaction has no terminal; features of the terminal are NaN then. */
  readonly terminal: HistoryView | undefined;
};

/** How far back each kind of entity's longest window looks: what its histories must keep. */
export const REACH_MS: Readonly<Record<Entity, number>> = {
  user: activityOf(FEATURES, 'user').reachMs,
  terminal: activityOf(FEATURES, 'terminal').reachMs,
};

/** A feature that was asked for and is not in the catalogue. */
export class UnknownFeatureError extends Error {
  readonly code = 'unknown-feature';

  constructor(name: string) {
    const known = FEATURES.map((feature) => feature.name).join(', ');
    super(`feature "${name}" is not in the catalogue; there are ${known}`);
    this.name = 'UnknownFeatureError';
  }
}

/** Computes the named features, in their order, as float32. */
export class FeatureVectorizer {
  readonly #user: EntityActivity;
  readonly #terminal: EntityActivity;
  readonly #steps: readonly { readonly feature: Feature; readonly scope: MutableScope }[];

  /** @throws UnknownFeatureError */
  constructor(names: readonly string[]) {
    const features = names.map(featureNamed);
    this.#user = activityOf(features, 'user');
    this.#terminal = activityOf(features, 'terminal');
    this.#steps = features.map((feature) => ({ feature, scope: this.#scopeOf(feature, features) }));
  }

  /** Number of features. */
  get length(): number {
    return this.#steps.length;
  }

  /** @param vector where to write them; one is made where none is given */
  compute(
    transaction: Transaction,
    views: HistoryViews,
    vector = new Float32Array(this.#steps.length),
  ): Float32Array {
    this.#user.observe(views.user);
    if (views.terminal) this.#terminal.observe(views.terminal);
    for (let index = 0; index < vector.length; index++) {
      const { feature, scope } = this.#steps[index];
      scope.transaction = transaction;
      const isMissing = feature.entity === 'terminal' && !views.terminal;
      vector[index] = isMissing ? Number.NaN : feature.value(scope);
    }
    return vector;
  }

  #scopeOf(feature: Feature, features: readonly Feature[]): MutableScope {
    const activity = feature.entity === 'terminal' ? this.#terminal : this.#user;
    const windowIndex = feature.window ? windowsOf(features, feature.entity).indexOf(feature.window) : -1;
    return {
      transaction: undefined as unknown as Transaction,
      lifetime: activity.lifetime,
      window: windowIndex < 0 ? NO_ACTIVITY : activity.window(windowIndex),
      amountDeviation: () => activity.amountStandardDeviation(windowIndex),
      habit: activity.habit,
      frauds: activity.frauds,
    };
  }
}

type MutableScope = { -readonly [Name in keyof FeatureScope]: FeatureScope[Name] };

const NO_ACTIVITY: WindowActivity = {
  count: 0,
  units: 0,
  frauds: 0,
  sameCategory: 0,
  sameCounterpart: 0,
  international: 0,
};

function featureNamed(name: string): Feature {
  const feature = FEATURES.find((candidate) => candidate.name === name);
  if (!feature) throw new UnknownFeatureError(name);
  return feature;
}

function activityOf(features: readonly Feature[], entity: Entity): EntityActivity {
  return new EntityActivity(windowsOf(features, entity));
}

function windowsOf(features: readonly Feature[], entity: Entity | undefined): Window[] {
  const windows = features.flatMap((feature) =>
    feature.entity === entity && feature.window ? [feature.window] : [],
  );
  return [...new Set(windows)];
}
