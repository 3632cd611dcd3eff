/**
 * The host service dumps memory while a pod runs, then only what changed since. CEDANA_NODE=vm runs it on a node whose kernel
 * tracks memory; other nodes must say that theirs does not. Judged by the clock and the memory of the process itself.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT, run } from "../../testbed/node/run";
import { openServiceNode, type CheckpointParams, type ServiceNode } from "../../testbed/node/service";
import { eventually, NODE, scaled } from "../../testbed/node/testbed";
import { RESTORE_ANNOTATION } from "../../testbed/node/wrapper";

const MEGABYTES = 256;
const PASSES = ["off", "auto"] as const;
/** Checkpoints of each kind. */
const ROUNDS = Number(process.env["ROUNDS"] ?? 3);

let node: ServiceNode;
/** Whether the kernel of the node tracks memory. */
let tracks: boolean;

beforeAll(async () => {
  node = await openServiceNode("dirty");
  const built = run("mktemp", ["-u"]).trim();
  run("go", ["build", "-trimpath", "-o", built, "./test/split"], {
    cwd: join(ROOT, "runtime"),
    env: { ...process.env, CGO_ENABLED: "0" },
  });
  node.feed(readFileSync(built), "sh", "-c", "cat > /usr/local/bin/split; chmod 755 /usr/local/bin/split");
  rmSync(built);
  tracks = node.script("criu check --feature mem_dirty_track > /dev/null 2>&1 && echo yes; true") !== "";
  node.removePods();
});
afterEach(() => {
  node.removePods();
  node.script("rm -rf /var/lib/cedana-cdk/checkpoints/*");
});
afterAll(() => node?.close());

/** Returns a pod that writes 1 % of its memory a second. */
const dirty = (name: string) => ({
  metadata: { name },
  spec: {
    containers: [
      {
        name: "dirty",
        image: "localhost:5000/dirty:1",
        command: ["/bin/dirty"],
        env: [{ name: "MB", value: String(MEGABYTES) }],
      },
    ],
  },
});

const logs = (pod: string) => node.kubectl(["logs", pod]);

/** Returns the numbers that a process printed after a word. */
const printed = (log: string, word: string) =>
  [...log.matchAll(new RegExp(`^${word} (\\d+)`, "gm"))].map(([, number]) => Number(number));

/** Waits until a process has written on. */
async function writes(pod: string): Promise<number> {
  const before = printed(logs(pod), "wrote").length;
  return eventually(() => {
    const all = printed(logs(pod), "wrote");
    if (all.length <= before) throw new Error(`${pod} stands still`);
    return all.at(-1)!;
  });
}

/** Lets the process compare all of its memory with what it must hold after the pages that it wrote. */
async function isWhole(pod: string): Promise<number> {
  const known = printed(logs(pod), "checked").length;
  node.kubectl(["exec", pod, "--", "kill", "-USR1", "1"]);
  return eventually(() => {
    const found = [...logs(pod).matchAll(/^checked (\d+) wrong (\d+)$/gm)].slice(known);
    if (found.length === 0) throw new Error(`${pod} has not checked its memory`);
    const [, written, wrong] = found[0]!;
    expect(wrong).toBe("0");
    return Number(written);
  });
}

interface Taken {
  /** Longest standstill of the process during the checkpoint, and their sum, by its own clock, in ms. */
  readonly longest: number;
  readonly sum: number;
  /** As the service reported it, in ms. */
  readonly reported: number;
  readonly checkpoint: ReturnType<ServiceNode["checkpoint"]>["checkpoint"];
  readonly directory: string;
}

async function take(pod: string, params: Omit<CheckpointParams, "podUID">): Promise<Taken> {
  const before = logs(pod).length;
  // The emulated processors of a loaded machine are slow.
  const limit = { freezeMilliseconds: scaled(60_000) };
  const { checkpoint, directory, timings } = node.checkpoint({ podUID: node.uid(pod), ...limit, ...params });
  await writes(pod);
  const own = printed(logs(pod).slice(before), "standstill").map((us) => us / 1000);
  const reported = checkpoint.frozenNanoseconds / 1e6;
  // Shorter ones are of a loaded machine.
  const notable = own.filter((each) => each > reported / 20);
  const sum = notable.reduce((a, b) => a + b, 0);
  const taken = { longest: Math.max(0, ...own), sum, reported };
  const { preDump } = checkpoint;
  const bytes = bytesOf(checkpoint);
  process.stdout.write(`${JSON.stringify({ ...params, ...taken, notable, preDump, bytes, timings })}\n`);
  return { ...taken, checkpoint, directory };
}

/** Returns the bytes of the pages of a checkpoint: of the dump, and of the pre-dumps. */
function bytesOf({ containers }: Taken["checkpoint"]) {
  const sum = (pattern: RegExp) =>
    containers[0]!.files.filter(({ path }) => pattern.test(path)).reduce((all, { size }) => all + size, 0);
  return {
    dump: sum(/^images\/pages-\d+\.img$/),
    preDump: sum(/^images\/(parent\/)+pages-\d+\.img$/),
  };
}

/** Returns whether there was a pre-dump that stopped the process, that wrote all memory, and that left less for the dump. */
function summary(checkpoint: Taken["checkpoint"]) {
  const { passes = 0, frozenNanoseconds = 0, reason } = checkpoint.preDump ?? {};
  const { dump, preDump } = bytesOf(checkpoint);
  const whole = MEGABYTES << 20;
  return {
    preDumped: passes > 0 && frozenNanoseconds > 0,
    before: preDump >= whole,
    less: dump < whole,
    reason,
  };
}

const median = (of: readonly number[]) => of.toSorted((a, b) => a - b)[Math.floor(of.length / 2)]!;

test("only what changed since the pre-dump is dumped while the process stands still", async () => {
  node.runPod(dirty("source"));
  await writes("source");
  const taken: Record<(typeof PASSES)[number], Taken[]> = { off: [], auto: [] };
  for (let round = 0; round < ROUNDS; round++)
    for (const preDump of PASSES)
      taken[preDump].push(await take("source", { uid: `${preDump}-${round}`, preDump }));

  const without = { preDumped: false, before: false, less: false };
  for (const { checkpoint } of taken.off) expect(summary(checkpoint)).toEqual({ ...without, reason: "Off" });
  for (const { checkpoint } of taken.auto)
    expect(summary(checkpoint)).toEqual(
      tracks
        ? { preDumped: true, before: true, less: true, reason: undefined }
        : { ...without, reason: "MemoryNotTracked" },
    );
  // With a pre-dump both are sums: of the stop in the pre-dump, and of the freeze.
  for (const { sum, reported } of [...taken.off, ...taken.auto]) {
    expect(sum / reported).toBeGreaterThan(0.7);
    expect(sum / reported).toBeLessThan(2);
  }
  const ratio = (of: "longest" | "sum" | "reported") =>
    median(taken.auto.map((each) => each[of])) / median(taken.off.map((each) => each[of]));
  process.stdout.write(
    `standstill with pre-dump / without: longest ${ratio("longest")}, sum ${ratio("sum")}, reported ${ratio("reported")}\n`,
  );
  expect(node.leftovers()).toBe("");
  await isWhole("source");
});

/** A checkpoint as the service takes it; and one whose memory a program divides between two dumps, on each kind of node. */
const CHAINS = { taken: "auto", divided: "off" } as const;

test.each(Object.entries(CHAINS) as [keyof typeof CHAINS, "auto" | "off"][])(
  "a checkpoint of two dumps is restored, verified and deleted as one: %s",
  async (chain, mode) => {
    node.runPod(dirty("source"));
    await writes("source");
    const { checkpoint } = await take("source", { uid: "chain", preDump: mode });
    const preDumped = tracks && chain === "taken";
    expect(summary(checkpoint)).toMatchObject({ preDumped, before: preDumped });
    const { spec } = dirty("copy");
    // It is not scheduled before its plan is laid: the wrapper waits at most 60 s, and what an emulated node copies, divides and
    // verifies here can take longer.
    node.kubectl(["apply", "-f", "-"], {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "copy", annotations: { [RESTORE_ANNOTATION]: "" } },
      spec: {
        ...spec,
        runtimeClassName: "cedana",
        nodeSelector: { "kubernetes.io/hostname": NODE.name },
        tolerations: [{ operator: "Exists" }],
        schedulingGates: [{ name: "test.cedana.ai/plan" }],
      },
    });
    const copy = node.uid("copy");
    // As the method stage leaves it.
    node.script(`staging=/var/lib/cedana-cdk/restore/.staging-${copy}
mkdir -m 700 $staging
cp -a --reflink=auto /var/lib/cedana-cdk/checkpoints/chain $staging
${chain === "divided" ? `/usr/local/bin/split $staging/chain` : ""}`);
    const deadline = new Date(Date.now() + 3_600_000).toISOString();
    const plan = { checkpoint: "chain", podUID: copy, deadline, fallback: "fail", restart: "fresh" };
    expect(node.call("lay", plan)).toMatchObject({ status: 0, stderr: "" });
    node.kubectl(["patch", "pod", "copy", "--type=merge", "-p", '{"spec":{"schedulingGates":null}}']);
    node.kubectl(["wait", "--for=condition=Ready", "pod/copy", `--timeout=${scaled(120)}s`]);
    await writes("copy");
    const restored = await isWhole("copy");
    // It resumed after the writes of the source, each page as it was at the freeze.
    const [first] = printed(logs("copy"), "wrote");
    expect(first).toBeGreaterThan(printed(logs("source"), "wrote")[0]!);
    expect(restored).toBeGreaterThanOrEqual(first!);
    expect(JSON.parse(node.call("outcome", { podUID: copy }).stdout)).toMatchObject({
      decision: "restore",
      containers: [{ name: "dirty", phase: "Restored" }],
    });
    // A restored process is tracked again.
    const { checkpoint: second } = await take("copy", { uid: "second" });
    expect(summary(second)).toMatchObject({ preDumped: tracks, before: tracks });
    // It finds the cgroups of the node by those of its pods.
    expect(node.leftovers()).toBe("");
    node.removePods();
    expect(node.call("forgetPlan", { podUID: copy }).status).toBe(0);
    for (const uid of ["chain", "second"]) expect(node.call("forget", { uid }).status).toBe(0);
    expect(node.script("ls -A /var/lib/cedana-cdk/checkpoints")).toBe("");
    expect(node.script("ls -A /var/lib/cedana-cdk/restore")).not.toContain(copy);
  },
);
