import { FEATURE_NAMES } from '../../core/features/catalogue.ts';
import { HANDBOOK_FEATURES } from '../../core/features/handbook-features.ts';
import { MISSION_FEATURES } from '../../core/features/mission-features.ts';

/** One row of a study's table: a way to train, scored over the weeks. */
export type Candidate = {
  readonly name: string;
  readonly algorithm: 'logistic-regression' | 'random-forest' | 'xgboost' | 'gradient-boosting';
  readonly features: readonly string[];
  readonly trainingDays: number;
  readonly labelDelayDays: number;
  /** How long after its fraud a card is known to be compromised, and its payments are left out of the weeks. */
  readonly blockingDelayDays: number;
  /** What was published for it, if that is to be reproduced. */
  readonly published?: {
    readonly auc: number;
    readonly averagePrecision: number;
    readonly cardPrecision: number;
  };
};

export type Study = {
  readonly title: string;
  /** What the pictures show. */
  readonly kind: 'models' | 'delays' | 'features';
  /** What is chosen by this study is chosen without a look at the test weeks. */
  readonly isValidationOnly?: boolean;
  readonly candidates: readonly Candidate[];
};

export const LABEL_DELAY_DAYS = 7;
/** Weeks of training that the best model takes: as many as fit before the first validation week, features warmed up. */
const LONG_DAYS = 42;
const SHORT_DAYS = 7;
const DELAYS = [7, 3, 1, 0];

const PLAIN = {
  trainingDays: SHORT_DAYS,
  labelDelayDays: LABEL_DELAY_DAYS,
  blockingDelayDays: LABEL_DELAY_DAYS,
};
const BOOSTING = { ...PLAIN, algorithm: 'gradient-boosting' } as const;

export const STUDIES: Readonly<Record<string, Study>> = {
  published: {
    title: 'The published rows of the Fraud Detection Handbook',
    kind: 'models',
    candidates: [
      {
        ...PLAIN,
        name: 'logistic regression',
        algorithm: 'logistic-regression',
        features: HANDBOOK_FEATURES,
        published: { auc: 0.868, averagePrecision: 0.623, cardPrecision: 0.297 },
      },
      {
        ...PLAIN,
        name: 'random forest',
        algorithm: 'random-forest',
        features: HANDBOOK_FEATURES,
        published: { auc: 0.87, averagePrecision: 0.678, cardPrecision: 0.299 },
      },
      {
        ...PLAIN,
        name: 'XGBoost',
        algorithm: 'xgboost',
        features: HANDBOOK_FEATURES,
        published: { auc: 0.869, averagePrecision: 0.687, cardPrecision: 0.303 },
      },
    ],
  },
  best: {
    title: 'More features, more weeks',
    kind: 'models',
    candidates: [
      { ...BOOSTING, name: 'the handbook’s features, 7 days', features: HANDBOOK_FEATURES },
      { ...BOOSTING, name: 'all features, 7 days', features: FEATURE_NAMES },
      {
        ...BOOSTING,
        name: 'the handbook’s features, 42 days',
        features: HANDBOOK_FEATURES,
        trainingDays: LONG_DAYS,
      },
      { ...BOOSTING, name: 'all features, 28 days', features: FEATURE_NAMES, trainingDays: 28 },
      { ...BOOSTING, name: 'all features, 42 days', features: FEATURE_NAMES, trainingDays: LONG_DAYS },
      {
        ...BOOSTING,
        name: 'the mission’s thirteen, 42 days',
        features: MISSION_FEATURES,
        trainingDays: LONG_DAYS,
      },
    ],
  },
  delays: {
    title: 'Label delay',
    kind: 'delays',
    candidates: DELAYS.flatMap((labelDelayDays) =>
      [...new Set([LABEL_DELAY_DAYS, labelDelayDays])].map((blockingDelayDays) => ({
        ...BOOSTING,
        name: `labels after ${inDays(labelDelayDays)}, cards blocked after ${inDays(blockingDelayDays)}`,
        features: FEATURE_NAMES,
        trainingDays: LONG_DAYS,
        labelDelayDays,
        blockingDelayDays,
      })),
    ),
  },
  features: {
    title: 'What each group of features is for',
    kind: 'features',
    isValidationOnly: true,
    candidates: [
      { ...BOOSTING, name: 'all features', features: FEATURE_NAMES, trainingDays: LONG_DAYS },
      ...featureGroups().map(([name, left]) => ({
        ...BOOSTING,
        name: `without ${name}`,
        features: FEATURE_NAMES.filter((feature) => !left.includes(feature)),
        trainingDays: LONG_DAYS,
      })),
    ],
  },
};

/** What is left out together, because one of them could stand in for the others. */
function featureGroups(): [string, readonly string[]][] {
  const named = (pattern: RegExp) => FEATURE_NAMES.filter((name) => pattern.test(name));
  return [
    ['the median and the amount against it', named(/median/)],
    ['the amount against the greatest', named(/to_user_max/)],
    ['the spread of amounts', named(/amount_std_30d/)],
    ['counts of unusual amounts', named(/unusual/)],
    ['counts and means of days', named(/user_(transaction_count|amount_mean)/)],
    ['earlier payments like this one', named(/user_(category|terminal|international)_count/)],
    ['rhythm and half hour', named(/time_since|window|velocity/)],
    ['lifetime figures', named(/total_|avg_amount|amount_deviation/)],
    ['hour and day', named(/hour|day_of|weekend|night/)],
    ['the user’s known frauds', named(/user_fraud/)],
    ['the terminal’s delayed windows', named(/terminal_(transaction_count|fraud_rate)_.*_delayed/)],
    ['the terminal’s known frauds', named(/terminal_fraud_(count|rate)_30d$/)],
    ['the ages of known frauds', named(/days_since_(first|last)_fraud/)],
    ['the run of frauds', named(/fraud_run/)],
    ['counts since the last fraud', named(/count_since_fraud/)],
  ];
}

function inDays(days: number): string {
  return days === 0 ? 'no time' : days === 1 ? 'a day' : `${days} days`;
}
