/** The features of the Fraud Detection Handbook's published models. */
export const HANDBOOK_FEATURES: readonly string[] = [
  'amount',
  'is_weekend',
  'is_night',
  ...[1, 7, 30].flatMap((days) => [`user_transaction_count_${days}d`, `user_amount_mean_${days}d`]),
  ...[1, 7, 30].flatMap((days) => [
    `terminal_transaction_count_${days}d_delayed_7d`,
    `terminal_fraud_rate_${days}d_delayed_7d`,
  ]),
];
