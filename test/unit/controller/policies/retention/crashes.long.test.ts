import { SOAK } from "../../../../../testbed/random";
import { deleteWithCrashes } from "./crashes";

const CLUSTERS = SOAK ? 10_000_000 : 20_000;

test("20,000 clusters: processes that are killed between any two requests delete nothing that must stay", async () => {
  const { wrong, deletions } = await deleteWithCrashes(CLUSTERS);
  expect(wrong).toEqual([]);
  expect(deletions).toBeGreaterThan(CLUSTERS / 4);
}, 600_000);
