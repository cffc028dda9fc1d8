/**
 * Card precision@k (Le Borgne et al., Reproducible Machine Learning for Credit Card Fraud Detection, 2022): what
 * investigators find who can look at k cards a day.
 *
 * Each day, a card's score is the greatest of its payments'; of the k cards with the greatest scores, the share that has a
 * fraud that day. A compromised card that was found is blocked, so it is left out of later days. The mean over days.
 */

export type CardPayments = {
  /** By row: a whole number for the card, and one for the day. */
  readonly cards: ArrayLike<number>;
  readonly days: ArrayLike<number>;
  readonly scores: ArrayLike<number>;
  readonly isFraud: ArrayLike<number>;
};

export function cardPrecision(payments: CardPayments, cardsADay: number): number {
  const blocked = new Set<number>();
  const precisions = byDay(payments).map((cards) => {
    const candidates = [...cards].filter(([card]) => !blocked.has(card));
    candidates.sort(([, one], [, other]) => other.score - one.score);
    const found = candidates.slice(0, cardsADay).filter(([, { isCompromised }]) => isCompromised);
    for (const [card] of found) blocked.add(card);
    return found.length / cardsADay;
  });
  return precisions.reduce((sum, precision) => sum + precision, 0) / precisions.length;
}

/** What a ranking that knows all frauds would reach: fewer than k cards are compromised on most days. */
export function bestCardPrecision(payments: CardPayments, cardsADay: number): number {
  return cardPrecision({ ...payments, scores: payments.isFraud }, cardsADay);
}

type Card = { score: number; isCompromised: boolean };

/** The cards of each day, in the order of days. */
function byDay({ cards, days, scores, isFraud }: CardPayments): Map<number, Card>[] {
  const found = new Map<number, Map<number, Card>>();
  for (let row = 0; row < cards.length; row++) {
    const day = found.get(days[row]) ?? new Map<number, Card>();
    found.set(days[row], day);
    const card = day.get(cards[row]);
    if (!card) day.set(cards[row], { score: scores[row], isCompromised: isFraud[row] === 1 });
    else {
      card.score = Math.max(card.score, scores[row]);
      card.isCompromised ||= isFraud[row] === 1;
    }
  }
  return [...found].sort(([one], [other]) => one - other).map(([, day]) => day);
}
