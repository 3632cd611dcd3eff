import { distance } from "fastest-levenshtein";

/** The known word nearest to the given one, if it is near enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Infinity;
  for (const candidate of known) {
    const away = distance(word.toLowerCase(), candidate.toLowerCase());
    if (away < least) [best, least] = [candidate, away];
  }
  return least <= Math.max(2, Math.floor(word.length / 3)) ? best : undefined;
}
