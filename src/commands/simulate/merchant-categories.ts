export type MerchantCategory = {
  readonly name: string;
  /** The share of terminals that are of this category. */
  readonly share: number;
  /** What people spend here, against their usual amount. */
  readonly amountLevel: number;
};

/**
 * The eight categories. Levels stay close to one: with the published amounts, twice the usual would already put a fifth
 * of a big spender's honest payments above what story 1 takes for fraud.
 */
export const MERCHANT_CATEGORIES: readonly MerchantCategory[] = [
  { name: 'grocery', share: 0.25, amountLevel: 0.8 },
  { name: 'restaurant', share: 0.2, amountLevel: 0.7 },
  { name: 'retail', share: 0.2, amountLevel: 1 },
  { name: 'entertainment', share: 0.1, amountLevel: 0.9 },
  { name: 'travel', share: 0.05, amountLevel: 1.3 },
  { name: 'utilities', share: 0.08, amountLevel: 1.1 },
  { name: 'healthcare', share: 0.08, amountLevel: 1.1 },
  { name: 'education', share: 0.04, amountLevel: 1.2 },
];

/** The index of a category, by share, for a number from 0 to 1. */
export function categoryAt(unit: number): number {
  let rest = unit;
  const index = MERCHANT_CATEGORIES.findIndex(({ share }) => {
    rest -= share;
    return rest < 0;
  });
  return index === -1 ? MERCHANT_CATEGORIES.length - 1 : index; // shares may sum to a hair less than one
}
