import { planRetention, type RetentionInput } from "../../../../../controller/policies/retention/plan";
import { Random, SEED } from "../../../../../testbed/random";
import { expectedDeletions } from "./oracle";
import { randomHistory } from "./random-history";
import { NOW } from "./support";

const deletions = (input: RetentionInput) =>
  planRetention(input, NOW).flatMap(({ is, checkpoint }) => (is === "delete" ? [checkpoint.key] : []));

/**
 * Compares the plans of random histories with the definition, and with those of a process that continues after some of the
 * deletions.
 * @param checkpoints number in each history. Default: random, at most 10
 * @returns what differs, at most 3, and how much was compared
 */
export function compareHistories(count: number, checkpoints?: number) {
  const random = new Random(SEED);
  const totals = { checkpoints: 0, deleted: 0, continued: 0 };
  const wrong: object[] = [];
  for (let history = 0; history < count && wrong.length < 3; history++) {
    const input = randomHistory(random, checkpoints);
    const found = deletions(input);
    const expected = expectedDeletions(input, NOW);
    totals.checkpoints += input.checkpoints.length;
    totals.deleted += found.length;
    if (found.join() !== expected.join()) wrong.push({ history, found, expected, input });
    const done = Math.floor(random.next() * found.length);
    if (done === 0) continue;
    const gone = new Set(found.slice(0, done));
    const rest = deletions({ ...input, checkpoints: input.checkpoints.filter(({ key }) => !gone.has(key)) });
    totals.continued++;
    if (rest.join() !== found.slice(done).join()) wrong.push({ history, done, found, rest, input });
  }
  return { wrong, totals };
}
