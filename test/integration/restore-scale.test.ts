/**
 * Restores by `latest` in a namespace with many Checkpoints, on a real API server with two controllers: which Checkpoint each
 * pod gets, and how long its creation takes. Needs the same as apiserver.test.ts. CEDANA_INTEGRATION_CHECKPOINTS sets the
 * number of Checkpoints; default 2,000, of which the setup takes seconds.
 */
import { kubeconfig } from "../../testbed/cluster/apiserver";
import { checkpointOf, pod, PODS, RestoreInstall, type Pod } from "./support/restore-install";

const config = kubeconfig();
/** Pods with Checkpoints, and pods that are created at a time. */
const WORKLOADS = 240;
const AT_ONCE = 12;
const CHECKPOINTS = Number(process.env["CEDANA_INTEGRATION_CHECKPOINTS"] ?? 2000);
/** Requests at a time while the Checkpoints are created. */
const WORKERS = 32;
/** As long as the messages that make a Checkpoint about 3 KB. */
const MESSAGE = "a checkpoint with a long message ".repeat(40);

/** Index of the newest Checkpoint of each pod, and their number. */
const newestOf = (workload: number) => CHECKPOINTS - WORKLOADS + workload;

(config === undefined ? describe.skip : describe)("Restore with many Checkpoints", () => {
  const install = new RestoreInstall(config ?? "");
  const ready = [{ type: "Ready", status: "True", reason: "CheckpointCompleted", message: MESSAGE }];
  const conditions = ready.map((one) => ({ ...one, lastTransitionTime: "2026-01-01T10:00:00Z" }));

  beforeAll(() => {
    let next = 0;
    const work = async () => {
      for (let index = next++; index < CHECKPOINTS; index = next++)
        await install.checkpoint(`c-${index}`, {
          pod: `w-${(index + WORKLOADS - (CHECKPOINTS % WORKLOADS)) % WORKLOADS}`,
          podUID: `old-${index}`,
          minutes: Math.floor(index / WORKLOADS),
          owner: undefined,
          hash: "",
          status: { conditions },
        });
    };
    return install.start(async () => {
      await Promise.all(Array.from({ length: WORKERS }, work));
    });
  }, 900_000);
  afterAll(() => install.stop(), 300_000);

  const create = async (name: string) => {
    const start = performance.now();
    const created = await install.send<Pod>("POST", PODS, pod(name, { "cedana.ai/restore-from": "latest" }));
    return { from: checkpointOf(created), ms: performance.now() - start };
  };

  /** Creates the pods, some at a time. @returns what each was restored from, with a line about the times */
  const createAll = async (names: readonly string[], what: string) => {
    const results: Awaited<ReturnType<typeof create>>[] = [];
    for (let first = 0; first < names.length; first += AT_ONCE)
      results.push(...(await Promise.all(names.slice(first, first + AT_ONCE).map(create))));
    const times = results.map(({ ms }) => ms).toSorted((a, b) => a - b);
    const at = (part: number) => `${Math.round(times[Math.ceil(times.length * part) - 1] ?? 0)} ms`;
    const line = `${what}, ${AT_ONCE} at a time, ${CHECKPOINTS} Checkpoints: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`;
    process.stdout.write(`${line}\n`);
    return results.map(({ from }) => from);
  };

  test("each pod is restored from the newest Checkpoint of its name", async () => {
    const names = Array.from({ length: WORKLOADS }, (_, index) => `w-${index}`);
    const from = await createAll(names, "restored");
    expect(from).toEqual(names.map((_, index) => `c-${newestOf(index)}`));
  }, 120_000);

  test("each pod without a Checkpoint starts fresh, with the reason", async () => {
    const names = Array.from({ length: 5 * AT_ONCE }, (_, index) => `none-${index}`);
    expect(new Set(await createAll(names, "fresh"))).toEqual(new Set([undefined]));
    const { metadata } = await install.send<Pod>("GET", `${PODS}/none-0`);
    expect(metadata.annotations["cedana.ai/restore-skipped"]).toBe(
      "no completed Checkpoint of pod none-0 exists",
    );
  }, 120_000);
});
