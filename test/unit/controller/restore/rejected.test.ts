/** Pods that are admitted to be restored, but not created, because a later policy rejects them. */
import { applyPatch, type Operation } from "fast-json-patch";
import type { RestoreStatus } from "../../../../api";
import type { Json } from "../../../../kube";
import { AdmissionHarness, CREATION, DEPLOYED, IN_TEAM } from "./admission-harness";
import { podJson } from "./support";

const PODS = "/api/v1/namespaces/team-a/pods";
type Given = NonNullable<Parameters<typeof podJson>[0]>;
const JOB = { generateName: "batch-", owner: { kind: "Job", name: "batch" }, labels: {} };
const SET: Given = {};

/** Lets time pass for what is recorded on Checkpoints. */
function wait(harness: AdmissionHarness, seconds: number, ...names: string[]): void {
  const before = (time: string) => new Date(Date.parse(time) - seconds * 1000).toISOString();
  for (const name of names)
    harness.api.edit(`${IN_TEAM}/${name}`, (stored) => {
      const { status } = stored as unknown as { status: { restore?: RestoreStatus } };
      const { restore } = status;
      if (restore === undefined) return;
      const attempts = restore.attempts && {
        ...restore.attempts,
        firstTime: before(restore.attempts.firstTime),
      };
      status.restore = { ...restore, time: before(restore.time), ...(attempts && { attempts }) };
    });
}

/** Creates a pod that a later policy rejects if it is restored. @returns whether it is stored, and the reason for no restore */
async function create(harness: AdmissionHarness, given: Given, more: { rejected?: boolean } = {}) {
  const replica = harness.replica();
  const { verdict, stored, from } = await harness.create(replica, given, { lost: true });
  const skipped = (stored?.metadata.annotations as Record<string, string> | undefined)?.[
    "cedana.ai/restore-skipped"
  ];
  if (stored && from === "none" && !more.rejected)
    await harness.api.send("POST", PODS, { type: "application/json", content: stored });
  return { allowed: verdict.allowed, from, skipped };
}

const WORKLOADS: readonly [string, Given, string, object][] = [
  ["StatefulSet", SET, "StatefulSet web, pod web-0", {}],
  ["Deployment", DEPLOYED, "Deployment api", { pod: "api-6c-old", owner: DEPLOYED.owner, hash: "6c" }],
  ["Job", JOB, "Job batch", { pod: "batch-abcde", owner: { ...JOB.owner, uid: "uid-owner" }, hash: "" }],
];

describe.each(WORKLOADS)("a pod of a %s", (_kind, given, workload, saved) => {
  const start = () => {
    const harness = new AdmissionHarness();
    harness.put(saved);
    return harness;
  };

  test("starts fresh after three attempts in 30 s, with the reason, on any replica and after a restart", async () => {
    const harness = start();
    for (let attempt = 1; attempt <= 3; attempt++) {
      expect(await create(harness.beside(), given)).toMatchObject({ from: "before" });
      expect(harness.restoreOf("before")).toMatchObject({ state: "Claimed", attempts: { count: attempt } });
      wait(harness, 10, "before");
    }
    const { from, skipped } = await create(harness.beside(), given);
    expect(from).toBe("none");
    expect(skipped).toMatch(
      new RegExp(
        `^pods of ${workload} that were to be restored were admitted 3 times since .*none was created`,
      ),
    );
    expect(harness.restoreOf("before")).toMatchObject({
      state: "PodMissing",
      attempts: { count: 3, freshAt: 3 },
      message: expect.stringMatching(/a pod was admitted without a checkpoint$/),
    });
  });

  test("is restored as long as the attempts are fewer, or more recent", async () => {
    const few = start();
    await create(few, given);
    wait(few, 20, "before");
    await create(few, given);
    wait(few, 1000, "before");
    expect((await create(few, given)).from).toBe("before");
    const recent = start();
    for (let attempt = 1; attempt <= 2; attempt++) {
      await create(recent, given);
      wait(recent, 10, "before");
    }
    expect((await create(recent, given)).from).toBe("before");
    expect(recent.restoreOf("before")).toMatchObject({ attempts: { count: 3 } });
  });

  test("is restored if the attempts are of another owner, or were more than an hour ago", async () => {
    const harness = start();
    for (let attempt = 1; attempt <= 3; attempt++) {
      await create(harness, given);
      wait(harness, 11, "before");
    }
    // The leader has released the claim.
    harness.api.edit(`${IN_TEAM}/before`, (stored) => {
      const { restore } = (stored as unknown as { status: { restore: { state: string } } }).status;
      restore.state = "PodMissing";
    });
    const again = harness.api.get(`${IN_TEAM}/before`);
    wait(harness, 3601, "before");
    expect((await create(harness, given)).from).toBe("before");
    expect(harness.restoreOf("before")).toMatchObject({ attempts: { count: 1 } });
    harness.api.edit(`${IN_TEAM}/before`, (stored) => {
      const { status } = again as unknown as { status: { restore: { attempts: object } } };
      const attempts = { ...status.restore.attempts, owner: "uid-of-another" };
      Object.assign(stored, { status: { ...status, restore: { ...status.restore, attempts } } });
    });
    expect((await create(harness, given)).from).toBe("before");
    expect(harness.restoreOf("before")).toMatchObject({ attempts: { owner: "uid-owner", count: 1 } });
  });

  test("is tried with the checkpoint again if the pod without it is not created either, twice as often", async () => {
    const harness = start();
    const decisions: (string | undefined)[] = [];
    for (let attempt = 1; attempt <= 12; attempt++) {
      decisions.push((await create(harness, given, { rejected: true })).from);
      wait(harness, 11, "before");
    }
    const restores = (count: number) => Array.from({ length: count }, () => "before");
    expect(decisions).toEqual([...restores(3), "none", ...restores(3), "none", ...restores(4)]);
  });

  test("starts fresh without further attempts while another pod of its owner does", async () => {
    const harness = start();
    for (let attempt = 1; attempt <= 3; attempt++) {
      await create(harness, given);
      wait(harness, 11, "before");
    }
    expect((await create(harness, given)).from).toBe("none");
    expect((await create(harness, given, { rejected: true })).from).toBe("none");
    expect(harness.restoreOf("before")).toMatchObject({ attempts: { count: 3, freshAt: 3 } });
  });

  test("with fallback stop is never admitted without the checkpoint", async () => {
    const harness = start();
    const stop = { ...given, annotations: { "cedana.ai/restore-fallback": "stop" } };
    for (let attempt = 1; attempt <= 6; attempt++) {
      expect((await create(harness, stop)).from).toBe("before");
      wait(harness, 11, "before");
    }
  });

  test("in a dry run gets the same decision, which is not recorded", async () => {
    const harness = start();
    for (let attempt = 1; attempt <= 3; attempt++) {
      await create(harness, given);
      wait(harness, 11, "before");
    }
    const before = harness.restoreOf("before");
    expect((await harness.create(harness.replica(), given, { dryRun: true })).from).toBe("none");
    expect(harness.restoreOf("before")).toEqual(before);
  });
});

test("the attempts of all Checkpoints of an owner count together", async () => {
  const harness = new AdmissionHarness();
  const names = ["a", "b", "c"];
  for (const name of names) harness.put({ name, pod: `api-6c-${name}`, owner: DEPLOYED.owner, hash: "6c" });
  const claimed = [];
  for (const _name of names) claimed.push((await create(harness, DEPLOYED)).from);
  expect(new Set(claimed)).toEqual(new Set(names));
  wait(harness, 30, ...names);
  expect((await create(harness, DEPLOYED)).skipped).toMatch("admitted 3 times");
});

test("many pods of one owner that are created at once are all restored, also if no leader records them", async () => {
  const harness = new AdmissionHarness();
  const names = Array.from({ length: 20 }, (_, index) => `c-${index}`);
  for (const name of names) harness.put({ name, pod: `api-6c-${name}`, owner: DEPLOYED.owner, hash: "6c" });
  const replicas = [harness.replica(), harness.replica()];
  const admit = (some: readonly string[]) =>
    Promise.all(some.map((_, index) => harness.create(replicas[index % 2] ?? harness.replica(), DEPLOYED)));
  const first = await admit(names.slice(0, 10));
  // No leader for a minute: the claims of the first pods stay without a UID.
  wait(harness, 60, ...names);
  const second = await admit(names.slice(10));
  expect(new Set([...first, ...second].map(({ from }) => from))).toEqual(new Set(names));
});

test("a later call for a pod that starts fresh for this reason decides the same", async () => {
  const harness = new AdmissionHarness();
  harness.put();
  for (let attempt = 1; attempt <= 3; attempt++) {
    await create(harness, SET);
    wait(harness, 11, "before");
  }
  const first = podJson();
  const admit = async (uid: string, object: typeof first) => {
    const verdict = await harness
      .replica()
      .admit({ ...CREATION, uid, object: object as unknown as Json, dryRun: false });
    if (!verdict.allowed) throw new Error(verdict.message);
    return applyPatch(structuredClone(object), verdict.patch as Operation[], true).newDocument;
  };
  const fresh = await admit("call-1", first);
  const record = harness.restoreOf("before");
  expect(await admit("call-2", fresh)).toMatchObject({
    metadata: { labels: { "cedana.ai/restored-from": "none" } },
  });
  expect(harness.restoreOf("before")).toEqual(record);
});

test("a later call for a pod that is restored counts it once; one that decides otherwise does not count it", async () => {
  const harness = new AdmissionHarness();
  harness.put();
  const admit = async (uid: string, object: object) => {
    const verdict = await harness
      .replica()
      .admit({ ...CREATION, uid, object: object as Json, dryRun: false });
    if (!verdict.allowed) throw new Error(verdict.message);
    return applyPatch(structuredClone(object), verdict.patch as Operation[], true).newDocument;
  };
  await admit("lost", podJson());
  const pod = await admit("call-1", podJson());
  const again = await admit("call-2", pod);
  expect(harness.restoreOf("before")).toMatchObject({ claim: "call-2", attempts: { count: 2 } });
  const changed = { ...again, spec: { containers: [{ name: "app", image: "other:1" }] } };
  await admit("call-3", changed);
  expect(harness.restoreOf("before")).toMatchObject({ state: "PodMissing", attempts: { count: 1 } });
});
