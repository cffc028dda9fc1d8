/** The features of the mission's model, `v1`, in its order. */
export const MISSION_FEATURES: readonly string[] = [
  'total_transactions',
  'total_amount',
  'avg_amount',
  'time_since_last_transaction',
  'window_transaction_count',
  'window_transaction_avg',
  'window_transaction_std',
  'transaction_velocity',
  'amount_deviation',
  'amount',
  'hour_of_day',
  'day_of_week',
  'is_international',
];
