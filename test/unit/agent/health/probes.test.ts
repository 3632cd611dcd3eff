import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probesOf } from "../../../../agent/health";
import { CRIU_HANDLER } from "../../../../config/engines/criu";
import { renderRuntimeHandler } from "../../../../render/containerd";
import type {
  AgentSettings,
  CriuAgentSettings,
  KubeletAgentSettings,
} from "../../../../config/programs/agent";
import { CERTIFICATE, KEY, OTHER_CERTIFICATE } from "../../../support/kubelet-certificate";
import { clientOn } from "../../../support/controller-runtime";
import { FakeRegistry } from "../../../support/registry";

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "health-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("a node", () => {
  const settings = (more: Partial<KubeletAgentSettings> = {}): KubeletAgentSettings => ({
    engine: "kubelet",
    namespace: "cedana-system",
    folder: "/opt/cedana-cdk",
    criuLink: "/usr/local/sbin/criu",
    runtime: "containerd",
    archives: directory,
    state: "/var/lib/cedana-cdk/agent",
    quotaBytes: 0,
    reserveBytes: 0,
    maxConcurrent: 2,
    kubelet: { port: 1 },
    repository: "127.0.0.1:1/checkpoints",
    registry: { credentials: "none" },
    health: {
      periodSeconds: 30,
      timeoutSeconds: 2,
      minKernel: "3.0",
      allowCgroupV1: true,
      requireRestore: true,
      runtimeConfig: "/etc/containerd/config.toml",
    },
    log: { level: "info" },
    ...more,
  });
  async function findings(given: AgentSettings, ca = CERTIFICATE, version = "containerd://2.3.4") {
    const client = clientOn({
      send: async (_method, path) => {
        expect(path).toBe("/api/v1/nodes/n1");
        return { status: { nodeInfo: { containerRuntimeVersion: version } } };
      },
    });
    const probes = probesOf({
      settings: given,
      client,
      node: "n1",
      hostIp: "127.0.0.1",
      ca: async () => ca,
      host: join(directory, "host"),
      criuResult: join(directory, "result.json"),
      identity: async () => undefined,
    });
    const all = await Promise.all(probes.map((probe) => probe.run(5000)));
    return Object.fromEntries(all.map(({ check, status, message }) => [check, `${status}: ${message}`]));
  }

  test("on which nothing is installed fails each check", async () => {
    const found = await findings(settings());
    expect(found).toMatchObject({
      criu: expect.stringContaining("failed: criu check has not reported yet"),
      criuLink: expect.stringContaining("failed: /usr/local/sbin/criu is missing"),
      kubelet: expect.stringContaining("failed: the kubelet does not respond at 127.0.0.1:1"),
      registry: expect.stringContaining("failed: 127.0.0.1:1/checkpoints does not respond"),
      runtime: expect.stringContaining("failed: containerd 2.3.4 does not restore"),
      kernel: expect.stringContaining("ok: Linux"),
      space: expect.stringContaining("ok: "),
    });
  });

  test("of the engine criu has its own checks, and passes with handler, wrapper and host service", async () => {
    const { archives: _a, kubelet: _k, health, ...common } = settings();
    const { requireRestore: _r, ...rest } = health;
    const criu: CriuAgentSettings = {
      ...common,
      engine: "criu",
      state: directory,
      socket: "/run/cedana-cdk/node/node.sock",
      stateSocket: "/run/cedana-cdk/state/state.sock",
      handler: { name: "cedana-criu", binary: "/usr/local/bin/cedana-runc" },
      health: rest,
    };
    const before = await findings(criu);
    expect(before).toMatchObject({
      runtime: "failed: containerd has no runtime handler cedana-criu",
      nodeService: expect.stringContaining("failed: criu-check has not reported yet"),
      space: expect.stringContaining("ok: "),
    });
    expect(before).not.toHaveProperty("kubelet");
    for (const each of ["usr/local/bin", "etc/containerd"])
      mkdirSync(join(directory, "host", each), { recursive: true });
    writeFileSync(join(directory, "host/usr/local/bin/cedana-runc"), "", { mode: 0o755 });
    writeFileSync(
      join(directory, "host/etc/containerd/config.toml"),
      renderRuntimeHandler(CRIU_HANDLER, { runtimeBinary: "/usr/sbin/runc" }),
    );
    const result = { atMs: Date.now(), version: "4.2.1", exitCode: 0, output: "", service: {} };
    writeFileSync(join(directory, "result.json"), JSON.stringify(result));
    // Also with a containerd that cannot restore from images.
    expect(await findings(criu, CERTIFICATE, "containerd://2.4.2")).toMatchObject({
      criu: expect.stringContaining("ok: "),
      runtime: "ok: containerd 2.4.2 has the runtime handler cedana-criu",
      nodeService: "ok: the host service responds at /run/cedana-cdk/state/state.sock",
    });
  });

  test("on which everything is installed passes, unless the kubelet's certificate is of another CA", async () => {
    mkdirSync(join(directory, "host/usr/local/sbin"), { recursive: true });
    symlinkSync("../../../opt/cedana-cdk/current/bin/criu", join(directory, "host/usr/local/sbin/criu"));
    mkdirSync(join(directory, "host/etc/containerd"), { recursive: true });
    writeFileSync(
      join(directory, "host/etc/containerd/config.toml"),
      '[plugins."io.containerd.cri.v1.runtime"]\nenable_experimental_restore_via_create = true\n',
    );
    const result = { atMs: Date.now(), version: "4.2.1", exitCode: 0, output: "Looks good.\n" };
    writeFileSync(join(directory, "result.json"), JSON.stringify(result));
    const registry = await new FakeRegistry().start();
    const kubelet = createServer({ key: KEY, cert: CERTIFICATE }, (_request, response) =>
      response.writeHead(401).end("Unauthorized"),
    );
    await new Promise<void>((resolve) => kubelet.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = kubelet.address() as AddressInfo;
      const given = settings({ kubelet: { port }, repository: `${registry.host}/checkpoints` });
      const found = await findings(given);
      const failed = Object.entries(found).filter(([, text]) => text.startsWith("failed"));
      expect(failed).toEqual([]);
      expect((await findings(given, OTHER_CERTIFICATE))["kubelet"]).toContain("self-signed certificate");
    } finally {
      kubelet.closeAllConnections();
      kubelet.close();
      await registry.stop();
    }
  });
});
