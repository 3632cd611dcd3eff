import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CheckpointEntry } from "../../../../agent/work";
import { Journal } from "../../../../agent/work";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "agent-journal-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const entry: CheckpointEntry = {
  uid: "u-1",
  name: "one",
  spec: {
    nodeName: "n1",
    podRef: { namespace: "shop", name: "web", uid: "u" },
    containerNames: ["app"],
    image: "r/x:1",
    timeoutSeconds: 60,
  },
  phase: "requested",
  startMs: 1,
};

test("the journal survives a restart; it ignores partial entries and keeps other files", async () => {
  const warnings: unknown[] = [];
  const log = { warn: (...line: unknown[]) => void warnings.push(line) };
  const open = async () => {
    const journal = new Journal<CheckpointEntry>(join(directory, "state"), log as never);
    await journal.load();
    return journal;
  };
  await (await open()).put(entry);
  writeFileSync(join(directory, "state", "u-2.json.tmp"), '{"uid":');
  writeFileSync(join(directory, "state", "u-3.json"), '{"uid":');
  const journal = await open();
  expect(journal.list()).toEqual([entry]);
  expect(warnings).toHaveLength(1);
  expect(readdirSync(join(directory, "state")).toSorted()).toEqual(["u-1.json", "u-3.json"]);
  await journal.remove("u-1");
  expect((await open()).list()).toEqual([]);
});
