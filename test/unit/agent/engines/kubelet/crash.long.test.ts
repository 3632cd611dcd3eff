/**
 * Kills the agent's process at every step, and at random steps. Whatever the kubelet did meanwhile, each NodeCheckpoint
 * finishes, no archive of the agent is left, other archives are kept, and a container has one checkpoint at a time.
 */
import { join } from "node:path";
import { SEED, seeded, SOAK } from "../../../../../testbed/random";
import { VirtualTime } from "../../../../support/virtual-time";
import { COLLECTION, Node, type KubeletResponse } from "./support";

const OTHER_FILES = [
  "checkpoint-web_shop-app-2026-11-21T11:00:00Z.tar",
  "checkpoint-web_shop-app-sidecar-2026-11-21T11:00:00Z.tar",
  "notes.txt",
];

let time: VirtualTime;
beforeEach(() => {
  time = new VirtualTime().install();
});
afterEach(() => time.uninstall());

/** Runs a schedule on a node with files of other programs, and checks the remaining state. */
async function onNode(schedule: (node: Node) => Promise<void>): Promise<void> {
  const node = new Node(time);
  for (const name of OTHER_FILES) node.disk.write(join(node.archives, name), "of another program");
  await schedule(node);
  expect(node.violations).toEqual([]);
  expect(node.files()).toEqual(OTHER_FILES.toSorted());
  expect(node.journal()).toEqual([]);
  node.end();
}

const SCENARIOS: Readonly<
  Record<string, { responses?: KubeletResponse[]; ends: RegExp; deleted?: boolean }>
> = {
  "the checkpoint succeeds": { ends: /^Ready CheckpointCompleted$/ },
  "the response is lost, the archive is complete": {
    responses: ["lost"],
    ends: /^Ready CheckpointCompleted$/,
  },
  "the response is lost, the archive is partial": {
    responses: ["lost-part"],
    ends: /^Ready CheckpointCompleted$/,
  },
  "the dump fails": {
    responses: ["fails", "fails", "fails", "fails"],
    ends: /^(Failed CheckpointFailed|Ready .*)$/,
  },
  "the container does not exist": {
    responses: ["not-found", "not-found"],
    ends: /^Failed ContainerNotFound$/,
  },
  "the NodeCheckpoint is deleted": { ends: /^- -$/, deleted: true },
};

test.each(Object.entries(SCENARIOS))("recovers when killed after each step: %s", async (_, scenario) => {
  let died = 0;
  for (let dieAt = 1; dieAt <= 44; dieAt++)
    await onNode(async (node) => {
      node.responses = [...(scenario.responses ?? [])];
      node.request("one");
      const first = node.start({ dieAt });
      // During the kubelet's dump, or later.
      if (scenario.deleted) setTimeout(() => node.api.remove(`${COLLECTION}/one`), dieAt % 12);
      const over = () =>
        scenario.deleted ? !node.object("one") : /^(Ready|Failed)/.test(node.condition("one"));
      await node.until(() => first.dead || (over() && node.journal().length === 0));
      if (first.dead) died++;
      first.kill();
      await node.start().ready;
      await node.until(() => over() && node.journal().length === 0);
      expect(node.condition("one")).toMatch(scenario.ends);
    });
  expect(died).toBeGreaterThanOrEqual(scenario.deleted || scenario.responses ? 10 : 25);
});

const SCHEDULES = SOAK ? 20_000 : 200;

test("recovers in random schedules of kills, lost responses, other writers and deletions", async () => {
  for (let seed = SEED; seed < SEED + SCHEDULES; seed++)
    await onNode(async (node) => {
      const random = seeded(seed);
      const pick = (count: number) => Math.floor(random() * count);
      node.dumpMs = 1 + pick(6);
      const all: KubeletResponse[] = ["archive", "archive", "lost", "lost-part", "fails", "unreachable"];
      node.responses = Array.from({ length: pick(6) }, () => all[pick(all.length)]!);
      const names = ["one", "two", "three"];
      node.request("one");
      node.request("two");
      node.request("three", { container: "sidecar" });
      node.api.after = ({ method }) => {
        if (method !== "WATCH" && random() < 0.05) throw new Error("no response within 30 s");
      };
      node.api.before = ({ method, path }) => {
        if (method === "PATCH" && random() < 0.1)
          node.api.edit(path.replace(/\/status$/, ""), ({ metadata }) => {
            metadata.annotations = { seen: String(random()) };
          });
      };
      for (let restarts = pick(4); restarts > 0; restarts--) {
        const one = node.start({ dieAt: 1 + pick(60), maxConcurrent: 1 + pick(3) });
        await time.pass(pick(140));
        if (random() < 0.3) node.api.remove(`${COLLECTION}/${names[pick(3)]}`);
        if (random() < 0.3) {
          void one.stop();
          await time.pass(100);
        }
        one.kill();
      }
      node.api.after = undefined;
      node.api.before = undefined;
      await node.start().ready;
      await node.finished(names);
      const ends = /^(Ready CheckpointCompleted|Failed CheckpointFailed)$/;
      const open = names.filter((name) => node.object(name) && !ends.test(node.condition(name)));
      expect({ seed, open }).toEqual({ seed, open: [] });
    });
});
