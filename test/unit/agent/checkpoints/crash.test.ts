/**
 * The agent's process dies at every single step, and at random ones again and again: whatever comes next, each
 * NodeCheckpoint ends, no archive of ours stays, those of others do, and no container is checkpointed twice at a time.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { seeded } from "../../kube/election/support/lossy-lease";
import { COLLECTION, Node, pause, type KubeletAnswer } from "./support";

const OTHERS = [
  "checkpoint-web_shop-app-2026-11-21T15:00:00Z.tar",
  "checkpoint-web_shop-app-sidecar-2026-11-21T15:00:00Z.tar",
  "notes.txt",
];

const nodes: Node[] = [];
const nodeWithOthers = (): Node => {
  const node = new Node();
  nodes.push(node);
  for (const name of OTHERS) writeFileSync(join(node.archives, name), "of somebody else");
  return node;
};
afterEach(() => {
  for (const node of nodes.splice(0)) node.end();
});

function check(node: Node): void {
  expect(node.wrong).toEqual([]);
  expect(node.files()).toEqual(OTHERS.toSorted());
  expect(node.journal()).toEqual([]);
}

const STORIES: Readonly<Record<string, { answers?: KubeletAnswer[]; ends: RegExp; deleted?: boolean }>> = {
  "all goes well": { ends: /^Ready CheckpointCompleted$/ },
  "an answer is lost, the archive is whole": { answers: ["lost"], ends: /^Ready CheckpointCompleted$/ },
  "an answer is lost, a part is there": { answers: ["lost-part"], ends: /^Ready CheckpointCompleted$/ },
  "the dump fails": {
    answers: ["fails", "fails", "fails", "fails"],
    ends: /^(Failed CheckpointFailed|Ready .*)$/,
  },
  "there is no such container": { answers: ["not-found", "not-found"], ends: /^Failed ContainerNotFound$/ },
  "nobody waits any more": { ends: /^- -$/, deleted: true },
};

/** So many steps from one death to the next. */
const EVERY = process.env["SOAK"] === "1" ? 1 : 3;

test.each(Object.entries(STORIES))("it dies after each of its steps: %s", async (_, story) => {
  const once = async (dieAt: number): Promise<boolean> => {
    const node = nodeWithOthers();
    node.answers = [...(story.answers ?? [])];
    node.ask("one");
    const first = node.start({ dieAt });
    const remove = () => node.api.remove(`${COLLECTION}/one`);
    // While the kubelet works, or later.
    if (story.deleted) setTimeout(remove, dieAt % 12);
    const over = () => (story.deleted && !node.object("one")) || /^(Ready|Failed)/.test(node.said("one"));
    await node.until(() => first.dead || (over() && node.journal().length === 0));
    const { dead } = first;
    first.kill();
    await node.start().ready;
    await node.settled(["one"]);
    check(node);
    expect(node.said("one")).toMatch(story.ends);
    return dead;
  };
  const died = await Promise.all(
    Array.from({ length: Math.ceil(44 / EVERY) }, (_step, index) => once(1 + index * EVERY)),
  );
  const least = story.deleted || story.answers ? 10 : 25;
  expect(died.filter(Boolean).length).toBeGreaterThanOrEqual(Math.floor(least / EVERY));
});

/** Of 20 schedules. */
const ROUNDS = process.env["SOAK"] === "1" ? 100 : 1;

test("random schedules of deaths, lost answers, other writers, deletions", async () => {
  const schedule = async (seed: number): Promise<void> => {
    const random = seeded(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const node = nodeWithOthers();
    node.dumpMs = 1 + pick(6);
    const all: KubeletAnswer[] = ["archive", "archive", "lost", "lost-part", "fails", "unreachable"];
    node.answers = Array.from({ length: pick(6) }, () => all[pick(all.length)]!);
    const names = ["one", "two", "three"];
    node.ask("one");
    node.ask("two");
    node.ask("three", { container: "sidecar" });
    node.api.after = ({ method }) => {
      if (method !== "WATCH" && random() < 0.05) throw new Error("no answer within 30 s");
    };
    node.api.before = ({ method, path }) => {
      if (method === "PATCH" && random() < 0.1)
        node.api.edit(path.replace(/\/status$/, ""), ({ metadata }) => {
          metadata.annotations = { seen: String(random()) };
        });
    };
    for (let life = pick(4); life > 0; life--) {
      const one = node.start({ dieAt: 1 + pick(60), maxConcurrent: 1 + pick(3) });
      await Promise.race([one.ready, pause(100)]);
      await pause(pick(40));
      if (random() < 0.3) node.api.remove(`${COLLECTION}/${names[pick(3)]}`);
      if (random() < 0.3) await Promise.race([one.stop(), pause(100)]);
      one.kill();
    }
    node.api.after = undefined;
    node.api.before = undefined;
    await node.start().ready;
    await node.settled(names);
    check(node);
    const ends = /^(Ready CheckpointCompleted|Failed CheckpointFailed)$/;
    expect(names.filter((name) => node.object(name) && !ends.test(node.said(name)))).toEqual([]);
  };
  expect.hasAssertions();
  for (let round = 0; round < ROUNDS; round++)
    await Promise.all(Array.from({ length: 20 }, (_, index) => schedule(round * 20 + index + 1)));
});
