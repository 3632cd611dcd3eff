import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { probesOf } from "../../../../agent/health";
import { registryCheck } from "../../../../agent/health/ask-registry";
import type { AgentSettings } from "../../../../config/programs/agent";
import { CERTIFICATE, KEY, OTHER_CERTIFICATE } from "../../../support/kubelet-certificate";
import { FakeRegistry } from "../../../support/registry";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "health-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the registry", () => {
  let registry: FakeRegistry;
  afterEach(() => registry.stop());

  const ask = async (registrySettings: AgentSettings["registry"], options: object, timeoutMs = 10_000) => {
    registry = await new FakeRegistry({ username: "u", password: "right-password", ...options }).start();
    const settings = { repository: `${registry.host}/checkpoints`, registry: registrySettings };
    const check = registryCheck(settings, async () => undefined, timeoutMs);
    return check(new AbortController().signal);
  };
  const dockerConfig = (password: string) => {
    const file = join(folder, "config.json");
    const auth = Buffer.from(`u:${password}`).toString("base64");
    writeFileSync(
      file,
      JSON.stringify({ auths: { [registry?.host ?? ""]: { auth }, "127.0.0.1": { auth } } }),
    );
    return file;
  };

  test("that answers is ok; nothing is stored there", async () => {
    expect(await ask({ credentials: "none" }, {})).toMatchObject({ status: "ok" });
    expect(registry.seen.map(({ method }) => method)).toEqual(["HEAD"]);
  });

  test.each(["basic", "bearer"] as const)(
    "with %s does not take a wrong password, which is not told",
    async (auth) => {
      registry = await new FakeRegistry({ auth, username: "u", password: "right-password" }).start();
      const given = (password: string) =>
        registryCheck(
          {
            repository: `${registry.host}/checkpoints`,
            registry: { credentials: "docker-config", dockerConfig: dockerConfig(password) },
          },
          async () => undefined,
          1000,
        )(new AbortController().signal);
      const finding = await given("wrong-password");
      expect(finding).toMatchObject({ status: "failed", words: expect.stringContaining("does not accept") });
      expect(finding.words).toContain("(401");
      expect(finding.words).not.toContain("wrong-password");
      expect(await given("right-password")).toMatchObject({ status: "ok" });
    },
  );

  test("that is silent, or asks for what is not there, is told in bounded time", async () => {
    expect(await ask({ credentials: "none" }, { fault: () => "silent" }, 200)).toMatchObject({
      status: "failed",
      words: expect.stringContaining("does not answer (no response within 0.2 s"),
    });
    await registry.stop();
    expect(await ask({ credentials: "ecr" }, {})).toMatchObject({
      status: "failed",
      words: expect.stringMatching(/no credentials for .*: the settings say .* EKS Pod Identity/),
    });
    expect(registry.seen).toEqual([]);
  });
});

describe("a node", () => {
  const settings = (more: Partial<AgentSettings> = {}): AgentSettings => ({
    namespace: "cedana-system",
    folder: "/opt/cedana-cdk",
    criuLink: "/usr/local/sbin/criu",
    runtime: "containerd",
    archives: folder,
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
  async function look(given: AgentSettings, ca = CERTIFICATE, version = "containerd://2.3.4") {
    const client = {
      send: async (_method: string, path: string) => {
        expect(path).toBe("/api/v1/nodes/n1");
        return { status: { nodeInfo: { containerRuntimeVersion: version } } };
      },
    };
    const probes = probesOf({
      settings: given,
      client,
      node: "n1",
      hostIp: "127.0.0.1",
      ca: async () => ca,
      host: join(folder, "host"),
      criuResult: join(folder, "result.json"),
      identity: async () => undefined,
    });
    const findings = await Promise.all(probes.map((probe) => probe.look(5000)));
    return Object.fromEntries(findings.map(({ check, status, words }) => [check, `${status}: ${words}`]));
  }

  test("on which nothing is installed fails in each point, in one round", async () => {
    const found = await look(settings());
    expect(found).toMatchObject({
      criu: expect.stringContaining("failed: criu check has not said anything yet"),
      criuLink: expect.stringContaining("failed: /usr/local/sbin/criu is not there"),
      kubelet: expect.stringContaining("failed: the kubelet does not answer at 127.0.0.1:1"),
      registry: expect.stringContaining("failed: 127.0.0.1:1/checkpoints does not answer"),
      runtime: expect.stringContaining("failed: containerd 2.3.4 does not restore"),
      kernel: expect.stringContaining("ok: Linux"),
      space: expect.stringContaining("ok: "),
    });
  });

  test("on which all is in place passes; a kubelet with a foreign certificate does not", async () => {
    mkdirSync(join(folder, "host/usr/local/sbin"), { recursive: true });
    symlinkSync("../../../opt/cedana-cdk/current/bin/criu", join(folder, "host/usr/local/sbin/criu"));
    mkdirSync(join(folder, "host/etc/containerd"), { recursive: true });
    writeFileSync(
      join(folder, "host/etc/containerd/config.toml"),
      '[plugins."io.containerd.cri.v1.runtime"]\nenable_experimental_restore_via_create = true\n',
    );
    const result = { atMs: Date.now(), version: "4.2.1", exitCode: 0, output: "Looks good.\n" };
    writeFileSync(join(folder, "result.json"), JSON.stringify(result));
    const registry = await new FakeRegistry().start();
    const kubelet = createServer({ key: KEY, cert: CERTIFICATE }, (_request, response) =>
      response.writeHead(401).end("Unauthorized"),
    );
    await new Promise<void>((resolve) => kubelet.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = kubelet.address() as AddressInfo;
      const given = settings({ kubelet: { port }, repository: `${registry.host}/checkpoints` });
      const found = await look(given);
      const failed = Object.entries(found).filter(([, words]) => words.startsWith("failed"));
      expect(failed).toEqual([]);
      expect((await look(given, OTHER_CERTIFICATE))["kubelet"]).toContain("self-signed certificate");
    } finally {
      kubelet.closeAllConnections();
      kubelet.close();
      await registry.stop();
    }
  });
});
