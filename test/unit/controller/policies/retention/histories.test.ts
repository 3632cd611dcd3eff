import { compareHistories } from "./histories";

const HISTORIES = 5000;

test("5,000 random histories: deletes exactly what the definition says, also after a part of the deletions", () => {
  const { wrong, totals } = compareHistories(HISTORIES);
  expect(wrong).toEqual([]);
  // The histories are not trivial.
  expect(totals.deleted).toBeGreaterThan(totals.checkpoints / 20);
  expect(totals.continued).toBeGreaterThan(HISTORIES / 20);
});

test("the same in histories of 1,300 Checkpoints, which are decided in several steps", () => {
  const { wrong, totals } = compareHistories(8, 1300);
  expect(wrong.length).toBe(0);
  expect(totals.deleted).toBeGreaterThan(1000);
});
