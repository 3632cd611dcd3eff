/**
 * The agent's process is killed at every step, and at random steps: whatever the kubelet did meanwhile, each NodeCheckpoint
 * finishes, no archive of the agent is left, those of others are kept, and a container has one checkpoint at a time.
 */
import { join } from "node:path";
import { SEED, seeded, SOAK } from "../../../support/random";
import { VirtualTime } from "../../../support/virtual-time";
import { COLLECTION, Node, type KubeletAnswer } from "./support";

const OTHERS = [
  "checkpoint-web_shop-app-2026-11-21T11:00:00Z.tar",
  "checkpoint-web_shop-app-sidecar-2026-11-21T11:00:00Z.tar",
  "notes.txt",
];

let time: VirtualTime;
beforeEach(() => {
  time = new VirtualTime().install();
});
afterEach(() => time.uninstall());

/** Runs a schedule on a node with files of others, and checks what is left. */
async function onNode(schedule: (node: Node) => Promise<void>): Promise<void> {
  const node = new Node(time);
  for (const name of OTHERS) node.disk.write(join(node.archives, name), "of another program");
  await schedule(node);
  expect(node.wrong).toEqual([]);
  expect(node.files()).toEqual(OTHERS.toSorted());
  expect(node.journal()).toEqual([]);
  node.end();
}

const STORIES: Readonly<Record<string, { answers?: KubeletAnswer[]; ends: RegExp; deleted?: boolean }>> = {
  "the checkpoint succeeds": { ends: /^Ready CheckpointCompleted$/ },
  "the response is lost, the archive is complete": {
    answers: ["lost"],
    ends: /^Ready CheckpointCompleted$/,
  },
  "the response is lost, the archive is partial": {
    answers: ["lost-part"],
    ends: /^Ready CheckpointCompleted$/,
  },
  "the dump fails": {
    answers: ["fails", "fails", "fails", "fails"],
    ends: /^(Failed CheckpointFailed|Ready .*)$/,
  },
  "the container does not exist": {
    answers: ["not-found", "not-found"],
    ends: /^Failed ContainerNotFound$/,
  },
  "the NodeCheckpoint is deleted": { ends: /^- -$/, deleted: true },
};

test.each(Object.entries(STORIES))("it is killed after each of its steps: %s", async (_, story) => {
  let died = 0;
  for (let dieAt = 1; dieAt <= 44; dieAt++)
    await onNode(async (node) => {
      node.answers = [...(story.answers ?? [])];
      node.request("one");
      const first = node.start({ dieAt });
      // While the kubelet works, or later.
      if (story.deleted) setTimeout(() => node.api.remove(`${COLLECTION}/one`), dieAt % 12);
      const over = () =>
        story.deleted ? !node.object("one") : /^(Ready|Failed)/.test(node.condition("one"));
      await node.until(() => first.dead || (over() && node.journal().length === 0));
      if (first.dead) died++;
      first.kill();
      await node.start().ready;
      await node.until(() => over() && node.journal().length === 0);
      expect(node.condition("one")).toMatch(story.ends);
    });
  expect(died).toBeGreaterThanOrEqual(story.deleted || story.answers ? 10 : 25);
});

const SCHEDULES = SOAK ? 20_000 : 200;

test("random schedules of kills, lost responses, other writers and deletions", async () => {
  for (let seed = SEED; seed < SEED + SCHEDULES; seed++)
    await onNode(async (node) => {
      const random = seeded(seed);
      const pick = (count: number) => Math.floor(random() * count);
      node.dumpMs = 1 + pick(6);
      const all: KubeletAnswer[] = ["archive", "archive", "lost", "lost-part", "fails", "unreachable"];
      node.answers = Array.from({ length: pick(6) }, () => all[pick(all.length)]!);
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
      for (let life = pick(4); life > 0; life--) {
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
