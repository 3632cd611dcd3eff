/**
 * Programs that are killed at seeded moments of a restore on a real node: the pod becomes Ready with one process, restored or
 * fresh, and nothing is left on the node.
 */
import { seededBelow, SEED } from "../../testbed/random";
import { eventually, KIND } from "../../testbed/node/testbed";
import type { WrapperNode } from "../../testbed/node/wrapper";
import { ONE, Restores } from "./support/restore";

const describeInNamespaces = KIND === "namespaces" ? describe : describe.skip;

/** Number of moments for each program. */
const MOMENTS = Number(process.env["CEDANA_NODE_MOMENTS"] ?? 5);

const SHIM = "the shim";

/** A restore takes about 150 ms on an idle machine; later moments are after it. */
const LATEST_MILLISECONDS = 400;

describeInNamespaces("a restore with a program that is killed", () => {
  let restores: Restores;
  let node: WrapperNode;
  const below = seededBelow(SEED);

  beforeAll(async () => {
    restores = new Restores();
    ({ node } = restores);
    restores.removePods();
    await restores.source("/root/one", ONE, () => restores.counts.reach("source", "count", 2));
    restores.removePods();
  });
  afterEach(() => restores.removePods());
  afterAll(() => node?.close());

  // The beginning keeps a pattern from matching the shell that has it as an argument.
  const WRAPPER = "^cedana-runc --root .* create";
  const kill = (pattern: string) => `pkill -KILL ${pattern}`;
  const wrapper = kill(`-f '${WRAPPER}'`);
  const runtime = kill("-f '^[^ ]*/runc --root .* restore'");
  const criu = kill("-x criu");
  const cases = [
    ["the wrapper", wrapper],
    ["the runtime", runtime],
    ["CRIU", criu],
    ["the wrapper, the runtime and CRIU", `${wrapper}; ${runtime}; ${criu}`],
    [SHIM, kill("-f '^[^ ]*containerd-shim-runc-v2 .*-id'")],
    ["containerd", kill("-x containerd")],
  ].flatMap(([program, command]) =>
    Array.from({ length: MOMENTS }, () => [program!, below(LATEST_MILLISECONDS), command!] as const),
  );

  /** Returns what is left, but for what containerd leaves of any container whose shim is killed while it runs. */
  function left(program: string): string {
    const lines = node.leftovers();
    if (program !== SHIM) return lines;
    const stopped =
      /^\/run\/(containerd\/runc\/k8s\.io|cedana-cdk\/restored)\/[0-9a-f]{64}(\/state\.json)?\n/gm;
    node.onNode("sh", "-c", "rm -rf /run/containerd/runc/k8s.io/* /run/cedana-cdk/restored/*");
    return lines.replaceAll(stopped, "");
  }

  test.each(cases)(
    "%s after %i ms ends as one process, restored or fresh",
    async (program, milliseconds, command) => {
      node.create("copy", ONE, true);
      await eventually(() => node.onNode("pgrep", "-f", WRAPPER));
      const lay = `lay plan /root/one ${node.uid("copy")} '{}'`;
      node.onNode("sh", "-c", `${lay}; sleep ${milliseconds / 1000}; ${command}; true`);
      node.ready("copy");
      // It counts on, also after what was killed has been started again.
      const { count } = await restores.counts.reach("copy", "count", 1);
      const { token } = await restores.counts.reach("copy", "count", count + 2);
      const state = await node.state(
        "copy",
        ({ containers }) => containers?.["count"]?.phase !== "Restoring",
      );
      expect(["Restored", "StartedFresh"]).toContain(state.containers?.["count"]?.phase);
      expect(restores.counts.last("copy", "count").token).toBe(token);
      // One process outputs, and one runs.
      const processes = `grep -lx count /proc/[0-9]*/comm | while read f; do grep -q '^NSpid:.*\\s.*' $(dirname $f)/status && echo $f; done | wc -l`;
      await eventually(() => expect(node.onNode("sh", "-c", processes).trim()).toBe("1"));
      restores.removePods();
      await eventually(() => expect(left(program)).toBe(""));
    },
  );
});
