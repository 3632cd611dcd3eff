/** What a node must have from its boot on: docs/nodes/node-service.md. Each missing part is reported with its fix. */
import { HEALTH_CONDITION } from "../../../config/programs/agent";
import { NODE_PROGRAM, SERVICE_SOCKET, STATE_SOCKET, WRAPPER } from "../../../config/nodes";
import { eventually, KIND } from "../../../testbed/node/testbed";
import type { Suite } from "./pods";

const CONFIG = `/etc/containerd/conf.d/${KIND}.toml`;
const edited = (expression: string) => `cp ${CONFIG} /root/handler.toml; sed -i '${expression}' ${CONFIG}`;
const REPAIR_CONFIG = `mv /root/handler.toml ${CONFIG}`;
/** The service creates its sockets when it starts. */
const RESTART = "pkill -9 -x -f '.*cedana-node cedana-noded'";

const NAMESPACE = ["-n", "cedana-system"];
const HEALTH_CHECK = ["pod", "-l", "app.kubernetes.io/component=health-check"];

interface Part {
  readonly part: string;
  /** Commands that remove the part, and that add it again. */
  readonly remove: string;
  readonly add: string;
  /** What the health check reports, with the fix. */
  readonly health: RegExp;
  /** The check of the diagnosis that fails; undefined: it has none. */
  readonly diagnosis?: "handler" | "service";
}

const PARTS: readonly Part[] = [
  {
    part: "handler",
    remove: `mv ${CONFIG} /root/handler.toml`,
    add: REPAIR_CONFIG,
    health: /runtime: containerd has no runtime handler cedana-criu. Configure it when the node starts: docs/,
    diagnosis: "handler",
  },
  {
    part: "pod_annotations",
    remove: edited("/pod_annotations/d"),
    add: REPAIR_CONFIG,
    health: /does not pass annotations cedana\.ai\/\* of pods. Set pod_annotations = \["cedana\.ai\/\*"\] in/,
    diagnosis: "handler",
  },
  {
    part: "BinaryName",
    remove: edited("/BinaryName/d"),
    add: REPAIR_CONFIG,
    health:
      /calls runc, not \/usr\/local\/bin\/cedana-runc. Set BinaryName = "\/usr\/local\/bin\/cedana-runc" in/,
    diagnosis: "handler",
  },
  {
    part: "wrapper",
    remove: `mv ${WRAPPER} /root/wrapper`,
    add: `mv /root/wrapper ${WRAPPER}`,
    health: /runtime: \/usr\/local\/bin\/cedana-runc is missing. The helper installs it/,
    diagnosis: "handler",
  },
  {
    part: "sockets",
    remove: `rm ${SERVICE_SOCKET} ${STATE_SOCKET}`,
    add: RESTART,
    health:
      /nodeService: the host service does not respond at \S+ \(.*ENOENT.*\). See systemctl status cedana-noded/,
    diagnosis: "service",
  },
];

/** Only a node with systemd has these. */
const PARTS_OF_SYSTEMD: readonly Part[] = [
  {
    part: "SystemdCgroup",
    remove: edited("/SystemdCgroup/d"),
    add: REPAIR_CONFIG,
    health: /has SystemdCgroup = false, the default handler true. Set SystemdCgroup = true in/,
  },
  {
    part: "unit",
    remove:
      "systemctl disable --now cedana-noded.path cedana-noded-update.path; systemctl stop cedana-noded; rm /etc/systemd/system/cedana-noded.service; systemctl daemon-reload",
    add: "systemctl enable --now cedana-noded.path cedana-noded-update.path",
    health: /nodeService: .*. See systemctl status cedana-noded.path cedana-noded on the node/,
    diagnosis: "service",
  },
];

export function bootTests(suite: Suite): void {
  const script = (text: string) => suite.engine.feed(text, "sh", "-e");
  /** The health check repeats what passed after 5 minutes; a new pod checks immediately. */
  const checkAgain = () =>
    suite.engine.kubectl([...NAMESPACE, "delete", "--grace-period=1", ...HEALTH_CHECK]);
  /** The message of the pod. The controller writes another message to the node once a minute. */
  const reported = () => {
    const { items } = JSON.parse(
      suite.engine.kubectl([...NAMESPACE, "get", "-o", "json", ...HEALTH_CHECK]),
    ) as {
      items: { status: { conditions?: { type: string; message?: string }[] } }[];
    };
    return items.flatMap(({ status }) =>
      (status.conditions ?? []).flatMap(({ type, message }) => (type === HEALTH_CONDITION ? [message] : [])),
    );
  };
  const failedChecks = () => {
    const report = script(`${NODE_PROGRAM} --output json || true`);
    const { findings } = JSON.parse(report) as {
      findings: { check: string; status: string; remedy?: string }[];
    };
    return findings.filter(({ status }) => status === "failed");
  };

  const parts = KIND === "vm" ? [...PARTS, ...PARTS_OF_SYSTEMD] : PARTS;
  test.each(parts)("without its $part, the node is not ready and the fix is reported", async (part) => {
    const { steps } = suite;
    await steps.nodeIs("True", /./);
    const unit = script("cat /etc/systemd/system/cedana-noded.service 2> /dev/null || true");
    script(part.remove);
    try {
      // Whether the service responds is checked in each round.
      if (part.diagnosis !== "service") checkAgain();
      await eventually(() => expect(reported()).toEqual([expect.stringMatching(part.health)]));
      await steps.nodeIs("False", /health-check/);
      const failed = failedChecks();
      expect(failed.map(({ check }) => check)).toEqual(part.diagnosis === undefined ? [] : [part.diagnosis]);
      expect(failed.filter(({ remedy }) => !remedy)).toEqual([]);
    } finally {
      if (unit !== "")
        suite.engine.feed(
          unit,
          "sh",
          "-c",
          "cat > /etc/systemd/system/cedana-noded.service; systemctl daemon-reload",
        );
      script(part.add);
    }
    await steps.nodeIs("True", /./);
  });
}
