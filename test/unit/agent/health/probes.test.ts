import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probesOf } from "../../../../agent/health";
import { CRIU_HANDLER } from "../../../../config/engines/criu";
import { renderRuntimeHandler } from "../../../../render/containerd";
import type { AgentSettings } from "../../../../config/programs/agent";
import { ApiError } from "../../../../kube";
import { clientOn } from "../../../support/controller-runtime";
import { FakeRegistry } from "../../../support/registry";

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "health-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("a node", () => {
  const settings = (more: Partial<AgentSettings> = {}): AgentSettings => ({
    engine: "criu",
    namespace: "cedana-system",
    folder: "/opt/cedana-cdk",
    criuLink: "/usr/local/sbin/criu",
    state: directory,
    quotaBytes: 0,
    reserveBytes: 0,
    maxConcurrent: 2,
    socket: "/run/cedana-cdk/node/node.sock",
    stateSocket: "/run/cedana-cdk/state/state.sock",
    handler: { name: "cedana-criu", binary: "/usr/local/bin/cedana-runc" },
    repository: "127.0.0.1:1/checkpoints",
    registry: { credentials: "none" },
    health: {
      periodSeconds: 30,
      timeoutSeconds: 2,
      minKernel: "3.0",
      allowCgroupV1: true,
      warnOnly: [],
      runtimeConfig: "/etc/containerd/config.toml",
    },
    log: { level: "info" },
    ...more,
  });
  async function findings(given: AgentSettings, version = "containerd://2.3.4") {
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
      registry: expect.stringContaining("failed: 127.0.0.1:1/checkpoints does not respond"),
      runtime: "failed: containerd has no runtime handler cedana-criu",
      nodeService: expect.stringContaining("failed: criu-check has not reported yet"),
      kernel: expect.stringContaining("ok: Linux"),
      space: expect.stringContaining("ok: "),
    });
  });

  test("keeps its runtime during an outage of the API server, but not when it was deleted", async () => {
    let response: () => object = () => ({
      status: { nodeInfo: { containerRuntimeVersion: "cri-o://1.34" } },
    });
    const probe = probesOf({
      settings: settings(),
      client: clientOn({ send: async () => response() }),
      node: "n1",
      host: join(directory, "host"),
      criuResult: join(directory, "result.json"),
      identity: async () => undefined,
    })[4];
    const messages = [];
    const failing = (error: Error) => () => {
      throw error;
    };
    const outage = failing(new Error("connect ECONNREFUSED"));
    for (const next of [
      response,
      outage,
      failing(new ApiError(503, "busy")),
      failing(new ApiError(429, "too many requests")),
      failing(new ApiError(404, "")),
    ]) {
      response = next;
      messages.push((await probe?.run(5000))?.message);
    }
    const known = "the runtime is cri-o://1.34, but containerd is required";
    expect(messages).toEqual([known, known, known, known, "the check cannot run: node n1 does not exist"]);
  });

  test.each(["containerd://2.1.9", "containerd://2.4.2"])(
    "on which everything is installed passes with %s",
    async (version) => {
      for (const each of ["usr/local/sbin", "usr/local/bin", "etc/containerd"])
        mkdirSync(join(directory, "host", each), { recursive: true });
      symlinkSync("../../../opt/cedana-cdk/current/bin/criu", join(directory, "host/usr/local/sbin/criu"));
      writeFileSync(join(directory, "host/usr/local/bin/cedana-runc"), "", { mode: 0o755 });
      writeFileSync(
        join(directory, "host/etc/containerd/config.toml"),
        renderRuntimeHandler(CRIU_HANDLER, { runtimeBinary: "/usr/sbin/runc" }),
      );
      const result = {
        atMs: Date.now(),
        version: "4.2.1",
        exitCode: 0,
        output: "Looks good.\n",
        service: {},
      };
      writeFileSync(join(directory, "result.json"), JSON.stringify(result));
      const registry = await new FakeRegistry().start();
      try {
        const found = await findings(settings({ repository: `${registry.host}/checkpoints` }), version);
        expect(Object.entries(found).filter(([, text]) => text.startsWith("failed"))).toEqual([]);
        expect(found).toMatchObject({
          criu: expect.stringContaining("ok: "),
          runtime: `ok: containerd ${version.slice(13)} has the runtime handler cedana-criu`,
          nodeService: "ok: the host service responds at /run/cedana-cdk/state/state.sock",
        });
      } finally {
        await registry.stop();
      }
    },
  );
});
