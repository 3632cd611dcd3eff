import { deleteWithCrashes } from "./crashes";

test("processes that are killed between any two requests, with late caches, delete nothing that must stay", async () => {
  const { wrong, deletions } = await deleteWithCrashes(500);
  expect(wrong).toEqual([]);
  expect(deletions).toBeGreaterThan(150);
});
