/**
 * The health check as a program on a real API server, with the readiness gate. The registry is away while nodes join, and
 * the API server while the health check runs. The test acts as the kubelet: it sets the readiness of the pods.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Testing } from "cdk8s";
import { CRIU_HANDLER } from "../../config/engines/criu";
import type { AgentSettings } from "../../config/programs/agent";
import { renderRuntimeHandler } from "../../render/containerd";
import { CedanaChart } from "../../stacks/kubernetes";
import { eventually } from "../../testbed/cluster/apiserver";
import type { Gate } from "../../testbed/cluster/gate";
import { GATE, conditionOf } from "../../testbed/cluster/objects";
import { FakeRegistry } from "../support/registry";
import { ROOT } from "../support/sources";
import { FaultProxy } from "./support/controller/fault-proxy";
import { Suite, describeController, nodesOf, pause } from "./support/controller/suite";

const HEALTH = "cedana.ai/node-can-checkpoint";
/** The shortest period and timeout that an install can have. */
const [PERIOD_SECONDS, TIMEOUT_SECONDS] = [5, 1];

interface HealthPod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status?: { readonly conditions?: readonly { type: string; status: string; reason?: string }[] };
}

/** The health check of one node: its directories of the host, and the program. */
class NodeHealth {
  readonly folder = mkdtempSync(join(tmpdir(), "health-check-"));
  private readonly fresh: NodeJS.Timeout;
  private program?: ChildProcess;

  constructor(
    private readonly gate: Gate,
    private readonly node: string,
  ) {
    for (const each of ["usr/local/sbin", "usr/local/bin", "etc/containerd", "state"])
      mkdirSync(join(this.folder, each), { recursive: true });
    this.link();
    writeFileSync(join(this.folder, "usr/local/bin/cedana-runc"), "", { mode: 0o755 });
    const handler = renderRuntimeHandler(CRIU_HANDLER, { runtimeBinary: "/usr/sbin/runc" });
    writeFileSync(join(this.folder, "etc/containerd/config.toml"), handler);
    // As container criu-check does.
    this.check();
    this.fresh = setInterval(() => this.check(), 1000);
  }

  link(): void {
    symlinkSync("/opt/cedana-cdk/current/bin/criu", join(this.folder, "usr/local/sbin/criu"));
  }

  unlink(): void {
    rmSync(join(this.folder, "usr/local/sbin/criu"));
  }

  private check(): void {
    const result = { atMs: Date.now(), version: "4.2.1", exitCode: 0, output: "Looks good.\n", service: {} };
    writeFileSync(join(this.folder, "result.json"), JSON.stringify(result));
  }

  pod(): HealthPod | undefined {
    return this.gate.agentPod(this.node, "health-check");
  }

  condition() {
    return this.pod()?.status?.conditions?.find(({ type }) => type === HEALTH);
  }

  /** Starts the program once its pod exists. */
  async start(
    kubeconfig: string,
    repository: string,
    warnOnly: AgentSettings["health"]["warnOnly"],
  ): Promise<void> {
    await eventually(30, "the health check has a pod", async () => this.pod() !== undefined);
    const { name = "", uid = "" } = this.pod()?.metadata ?? {};
    const settings: AgentSettings = {
      engine: "criu",
      namespace: this.gate.namespace,
      folder: "/opt/cedana-cdk",
      criuLink: "/usr/local/sbin/criu",
      state: join(this.folder, "state"),
      quotaBytes: 0,
      reserveBytes: 0,
      maxConcurrent: 2,
      socket: "/run/cedana-cdk/node/node.sock",
      stateSocket: "/run/cedana-cdk/state/state.sock",
      handler: { name: CRIU_HANDLER.name, binary: "/usr/local/bin/cedana-runc" },
      repository,
      registry: { credentials: "none" },
      health: {
        periodSeconds: PERIOD_SECONDS,
        timeoutSeconds: TIMEOUT_SECONDS,
        minKernel: "3.0",
        allowCgroupV1: true,
        warnOnly,
        runtimeConfig: "/etc/containerd/config.toml",
      },
      log: { level: "info" },
    };
    const at = (file: string) => join(this.folder, file);
    writeFileSync(at("settings.json"), JSON.stringify(settings));
    const log = openSync(at("log"), "a");
    const flags = ["settings.json", "result.json", "alive", "reported"].flatMap((file) => [
      `--${file.split(".")[0]}`,
      at(file),
    ]);
    this.program = spawn(
      process.execPath,
      [join(ROOT, "dist/agent.js"), "health", ...flags, "--host", this.folder, "--kubeconfig", kubeconfig],
      {
        env: {
          ...process.env,
          NODE_NAME: this.node,
          POD_NAME: name,
          POD_NAMESPACE: this.gate.namespace,
          POD_UID: uid,
        },
        stdio: ["ignore", log, log],
      },
    );
  }

  /** Whether a probe of the pod passes, by the command of the install. */
  passes(kind: "livenessProbe" | "readinessProbe"): boolean {
    const [shell = "", ...args] = probe(kind).map((word) => word.replaceAll("/run/health", this.folder));
    try {
      execFileSync(shell, args, { stdio: "pipe" });
      return true;
    } catch {
      return false;
    }
  }

  stop(): void {
    clearInterval(this.fresh);
    this.program?.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Returns the command of a probe of the container health-check, as an install with the shortest period has it. */
function probe(kind: "livenessProbe" | "readinessProbe"): readonly string[] {
  const image = { repository: "registry.example.com/image", tag: "1" };
  const objects = new CedanaChart(Testing.app(), "health", {
    engine: { kind: "criu", image, repository: "registry.example.com/checkpoints" },
    install: {
      controller: { image },
      healthCheck: { periodSeconds: PERIOD_SECONDS, timeoutSeconds: TIMEOUT_SECONDS },
    },
  }).toJson() as { kind: string; metadata: { name: string }; spec: never }[];
  const set = objects.find(({ kind: is, metadata }) => is === "DaemonSet" && /health/.test(metadata.name));
  const { containers } = (
    set as unknown as {
      spec: { template: { spec: { containers: Record<string, { exec: { command: string[] } }>[] } } };
    }
  ).spec.template.spec;
  const container = containers.find((one) => (one["name"] as unknown) === "health-check");
  return container?.[kind]?.exec.command ?? [];
}

describeController("outages around the health check", () => {
  const suite = new Suite();
  const [warned = "", strict = "", cut = ""] = nodesOf("health", 3);
  const healths = new Map<string, NodeHealth>();
  let gate: Gate;
  let registry: FakeRegistry;
  let away = true;
  let kubelet: NodeJS.Timeout;

  const health = (node: string) => healths.get(node) as NodeHealth;

  beforeAll(async () => {
    gate = await suite.gate("health");
    await suite.fleet(gate);
    registry = await new FakeRegistry({ fault: () => (away ? "silent" : undefined) }).start();
    // A pod is Ready while its readiness gate is True.
    const shown = new Map<string, boolean>();
    kubelet = setInterval(() => {
      for (const [node, one] of healths) {
        const ready = one.condition()?.status === "True";
        if (one.pod() === undefined || shown.get(node) === ready) continue;
        shown.set(node, ready);
        gate.setReady(node, "health-check", ready).catch(() => shown.delete(node));
      }
    }, 200);
  });

  afterAll(async () => {
    clearInterval(kubelet);
    for (const one of healths.values()) one.stop();
    await registry.stop();
    await suite.close();
  });

  async function joins(node: string, warnOnly: AgentSettings["health"]["warnOnly"], kubeconfig: string) {
    await gate.join(node);
    const runtime = { status: { nodeInfo: { containerRuntimeVersion: "containerd://2.1.9" } } };
    await gate.patchNode(node, runtime, "/status");
    const one = new NodeHealth(gate, node);
    healths.set(node, one);
    await one.start(kubeconfig, `${registry.host}/checkpoints`, warnOnly);
    await gate.setReady(node, "helper", true);
  }

  const nodeCondition = (name: string) => {
    const node = gate.node(name);
    return node && (conditionOf(node) as { reason?: string; message?: string } | undefined);
  };

  test(
    "nodes join while the registry is away, unless its check gates, and the registry's own pod starts on them",
    suite.run(async () => {
      await joins(warned, ["space", "registry"], gate.kubeconfig);
      await joins(strict, ["space"], gate.kubeconfig);
      // The registry of this cluster: its pod tolerates no taint.
      await gate.addWorkload("registry");
      await gate.untilUntainted([warned], 60);
      await eventually(30, "the node names the registry", async () => {
        return nodeCondition(warned)?.reason === "ReadyWithFailures";
      });
      expect(nodeCondition(warned)?.message).toContain(
        `registry: ${registry.host}/checkpoints does not respond`,
      );
      const path = `/apis/events.k8s.io/v1/events?fieldSelector=regarding.kind=Node,regarding.name=${warned}`;
      await eventually(10, "an event names the registry", async () => {
        const { body } = await gate.api.request<{ items: { reason: string; note: string }[] }>("GET", path);
        return body.items.some(({ reason, note }) => reason === "ReadyWithFailures" && /registry/.test(note));
      });
      await eventually(30, "the registry's pod runs", async () => {
        const pod = gate.pod("registry");
        return pod !== undefined && pod.spec.nodeName === warned && pod.status.phase === "Running";
      });
      const gating = () => health(strict).condition();
      await eventually(30, "the check gates the other node", async () => gating()?.status === "False");
      expect(gating()).toMatchObject({
        reason: "CheckFailed",
        message: expect.stringMatching(/^registry: /),
      });
      expect([gate.isTainted(strict), gate.condition(strict)]).toEqual([true, "False"]);
      away = false;
      await gate.untilUntainted([strict], 60);
      await eventually(90, "the failure is no longer reported", async () => {
        return nodeCondition(warned)?.reason === "AgentsReady";
      });
    }),
    240_000,
  );

  test(
    "an outage of the API server longer than the liveness deadline does not restart the health check",
    suite.run(async () => {
      const proxy = await FaultProxy.start({ kubeconfig: gate.kubeconfig, replica: "health", seed: 1 });
      try {
        await joins(cut, ["space", "registry"], proxy.kubeconfig);
        await gate.untilUntainted([cut], 60);
        const one = health(cut);
        expect([one.passes("livenessProbe"), one.passes("readinessProbe")]).toEqual([true, true]);
        proxy.partition();
        // A change that must be reported: each round waits for the API server.
        one.unlink();
        const deadlineSeconds = Number(/-lt (\d+) /.exec(probe("livenessProbe").join(" "))?.[1]);
        const endMs = Date.now() + 2 * deadlineSeconds * 1000;
        while (Date.now() < endMs) {
          expect(one.passes("livenessProbe")).toBe(true);
          await pause(1000);
        }
        expect(one.passes("readinessProbe")).toBe(false);
        expect(one.condition()?.status).toBe("True");
        proxy.heal();
        await eventually(30, "the change is stored", async () => one.condition()?.status === "False");
        one.link();
        await eventually(30, "the node can checkpoint again", async () => {
          return one.condition()?.status === "True" && one.passes("readinessProbe");
        });
      } finally {
        proxy.heal();
        await proxy.close();
      }
    }),
    240_000,
  );

  test(
    "a node that a DaemonSet excludes has its setting in the condition",
    suite.run(async () => {
      const [excluded = ""] = nodesOf("health-excluded", 1);
      const path = `/apis/apps/v1/namespaces/${gate.namespace}/daemonsets/cedana-helper`;
      const patch = { spec: { template: { spec: { nodeSelector: { [GATE]: gate.name, pool: "gpu" } } } } };
      const options = { contentType: "application/merge-patch+json" };
      expect((await gate.api.request("PATCH", path, patch, options)).status).toBe(200);
      await gate.join(excluded);
      await eventually(30, "the condition names the setting", async () =>
        /excludes this node: its nodeSelector requires pool=gpu, and the node has no label pool/.test(
          nodeCondition(excluded)?.message ?? "",
        ),
      );
      await gate.patchNode(excluded, { metadata: { labels: { pool: "gpu" } } });
      await gate.setReady(excluded, "helper", true);
      await gate.setReady(excluded, "health-check", true);
      await gate.untilUntainted([excluded], 30);
    }),
    120_000,
  );
});
