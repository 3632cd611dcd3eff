import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkRegistry, registryCheck } from "../../../../agent/health/registry-check";
import type { AgentSettings } from "../../../../config/programs/agent";
import { FakeRegistry } from "../../../support/registry";

let directory: string;
beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), "health-"))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe("the registry check", () => {
  let registry: FakeRegistry;
  afterEach(() => registry.stop());

  const check = async (registrySettings: AgentSettings["registry"], options: object, timeoutMs = 10_000) => {
    registry = await new FakeRegistry({ username: "u", password: "right-password", ...options }).start();
    const settings = { repository: `${registry.host}/checkpoints`, registry: registrySettings };
    const run = registryCheck(settings, async () => undefined, timeoutMs);
    return run(new AbortController().signal);
  };
  const dockerConfig = (password: string) => {
    const file = join(directory, "config.json");
    const auth = Buffer.from(`u:${password}`).toString("base64");
    writeFileSync(
      file,
      JSON.stringify({ auths: { [registry?.host ?? ""]: { auth }, "127.0.0.1": { auth } } }),
    );
    return file;
  };

  test("passes when it responds, and stores nothing", async () => {
    expect(await check({ credentials: "none" }, {})).toMatchObject({ status: "ok" });
    expect(registry.seen.map(({ method }) => method)).toEqual(["HEAD"]);
  });

  test.each(["basic", "bearer"] as const)(
    "fails with a wrong password (%s), without revealing it",
    async (auth) => {
      registry = await new FakeRegistry({ auth, username: "u", password: "right-password" }).start();
      const checkWith = (password: string) =>
        registryCheck(
          {
            repository: `${registry.host}/checkpoints`,
            registry: { credentials: "docker-config", dockerConfig: dockerConfig(password) },
          },
          async () => undefined,
          1000,
        )(new AbortController().signal);
      const finding = await checkWith("wrong-password");
      expect(finding).toMatchObject({
        status: "failed",
        message: expect.stringContaining("does not accept"),
      });
      expect(finding.message).toContain("(401");
      expect(finding.message).not.toContain("wrong-password");
      expect(await checkWith("right-password")).toMatchObject({ status: "ok" });
    },
  );

  test("fails in time when the registry is silent or there are no credentials", async () => {
    expect(await check({ credentials: "none" }, { fault: () => "silent" }, 200)).toMatchObject({
      status: "failed",
      message: expect.stringContaining("does not respond (no response within 0.2 s"),
    });
    await registry.stop();
    expect(await check({ credentials: "ecr" }, {})).toMatchObject({
      status: "failed",
      message: expect.stringMatching(/no credentials for .*: the registry is ECR, .* EKS Pod Identity/),
    });
    expect(registry.seen).toEqual([]);
  });
});

test.each([
  [{ kind: "ok" }, "ok", "r.example.com/c responds"],
  [{ kind: "rejected", status: 401, error: "no" }, "failed", "does not accept the password (401 no)"],
  [{ kind: "rejected", status: 403, error: "no" }, "failed", "denies access with the password (403 no)"],
  [{ kind: "rejected", status: 500, error: "boom" }, "failed", "rejects the request (500 boom)"],
  [{ kind: "unreachable", error: "ENOTFOUND" }, "failed", "does not respond (ENOTFOUND)"],
  [{ kind: "noCredentials", error: "no role" }, "failed", "no credentials for r.example.com/c: no role"],
] as const)("the registry check reports the result %j", (result, status, message) => {
  const finding = checkRegistry("r.example.com/c", "the password", result);
  expect(finding).toMatchObject({ status, message: expect.stringContaining(message) });
});

test.each([
  [401, "Provide valid credentials"],
  [403, "Allow the account to pull and push there"],
])("the registry check has a remedy for status %d", (status, remedy) => {
  const result = { kind: "rejected", status, error: "no" } as const;
  expect(checkRegistry("r.example.com/c", "the password", result)).toMatchObject({ remedy });
});
