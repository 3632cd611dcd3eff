/** The steps of docs/try-it.md with its own files, but for the image, which this node cannot pull from Docker Hub. */
import { join } from "node:path";
import { TRY_IT } from "../../../testbed/node/boot";
import { eventually } from "../../../testbed/node/testbed";
import type { Suite } from "./pods";

/** Returns a path of a file of the page. */
const file = (name: string) => join(TRY_IT, name);

export function tryItTests(suite: Suite): void {
  beforeAll(() => {
    const [own, named] = ["localhost:5000/busybox:1", "docker.io/library/busybox:1.37"];
    const ctr = "ctr -n k8s.io images";
    suite.engine.onNode("sh", "-ec", `${ctr} pull --plain-http ${own}; ${ctr} tag --force ${own} ${named}`);
  });

  /** Waits until the log of a container has a line, and returns all of its lines. */
  const lines = (pod: string, container: string, line: string) =>
    eventually(() => {
      const found = suite.engine.kubectl(["logs", pod, "-c", container]).trim().split("\n");
      if (!found.includes(line))
        throw new Error(`${pod}/${container} has not printed ${line}: ${found.at(-1)}`);
      return found;
    });

  /** Applies the pod and, once it has printed a line, the Checkpoint of the page. Then restores the pod. */
  async function restored(name: string, checkpoint: string, container: string, line: string) {
    const { engine } = suite;
    engine.kubectl(["apply", "-f", file(`${name}.yaml`)]);
    await lines(name, container, line);
    engine.kubectl(["apply", "-f", file(`${checkpoint}.yaml`)]);
    engine.kubectl(["wait", "--for=condition=Ready", `checkpoint/${name}-1`, "--timeout=60s"]);
    engine.kubectl(["delete", "pod", name]);
    const annotation = `cedana.ai/restore-from=${name}-1`;
    const pod = engine.kubectl(["annotate", "--local", "-f", file(`${name}.yaml`), annotation, "-o", "json"]);
    engine.kubectl(["apply", "-f", "-"], JSON.parse(pod));
    engine.kubectl(["wait", "--for=condition=Ready", `pod/${name}`, "--timeout=60s"]);
  }

  test("the counter of docs/try-it.md resumes", async () => {
    await restored("counter", "checkpoint", "counter", "5");
    expect(await first("counter", "counter")).toBeGreaterThan(5);
  });

  test("the pair of docs/try-it.md resumes with its emptyDir and its open connection", async () => {
    await restored("pair", "pair-checkpoint", "client", "5");
    const next = await first("pair", "client");
    expect(next).toBeGreaterThan(5);
    const last = next + 5;
    await lines("pair", "client", String(last));
    expect(suite.steps.status("pair", ".containerStatuses[*].restartCount")).toBe("0 0");
    // Nothing that was sent is missing or came twice.
    const numbers = suite.engine.kubectl(["exec", "pair", "-c", "server", "--", "cat", "/data/numbers"]);
    const expected = Array.from({ length: last }, (_, at) => String(at + 1));
    expect(numbers.trim().split("\n").slice(0, last)).toEqual(expected);
  });

  /** Returns the first number in the log of a container. */
  const first = (pod: string, container: string) =>
    eventually(() => {
      const found = /^(\d+)$/m.exec(suite.engine.kubectl(["logs", pod, "-c", container]));
      if (!found) throw new Error(`${pod}/${container} has printed no number`);
      return Number(found[1]);
    });
}
