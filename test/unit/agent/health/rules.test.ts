import { conditionOf, CHECKS, type Finding } from "../../../../agent/health";
import { checkCriu, checkCriuLink, type CriuCheck } from "../../../../agent/health/rules/criu";
import { checkKubelet, checkRegistry } from "../../../../agent/health/rules/remote";
import { checkRuntime, type RuntimeConfig } from "../../../../agent/health/rules/runtime";
import { checkCgroup, checkIoUring, checkKernel, checkSpace } from "../../../../agent/health/rules/system";

const GIB = 2 ** 30;
const FOLDER = "/opt/cedana-cdk";
const NOW = 1_000_000;

describe("criu check", () => {
  const good: CriuCheck = { atMs: NOW - 1000, version: "4.2.1", exitCode: 0, output: "Looks good.\n" };
  const judged = (check: CriuCheck | undefined) => checkCriu(FOLDER, check, { now: NOW, limitMs: 80_000 });

  test("that looks good is ok", () => {
    expect(judged(good)).toEqual({ check: "criu", status: "ok", words: "CRIU 4.2.1: looks good" });
  });

  const output = `Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory
Error (criu/net.c:1253): net: Unexpected error: -1(Operation not permitted)
(00.291781) Error (criu/cr-check.c:1056): Can't turn TCP repair mode ON: Operation not permitted
Warn  (criu/cr-check.c:1680): Does not look good.
`;
  test.each<[CriuCheck | undefined, string]>([
    [undefined, "has not said anything yet"],
    [{ ...good, atMs: NOW - 81_000 }, "for 81 s"],
    [
      { ...good, exitCode: undefined, error: "ENOENT" },
      "/opt/cedana-cdk/current/bin/criu cannot be run (ENOENT)",
    ],
    [{ ...good, version: "4.0" }, "is CRIU 4.0, and 4.1 or later is needed"],
    [
      { ...good, exitCode: 1, output },
      "ended with 1: net: Unexpected error: -1(Operation not permitted), Can't turn TCP repair mode ON: Operation not permitted. This",
    ],
    [{ ...good, exitCode: 127, output: "unshare: failed\n" }, "ended with 127: unshare: failed."],
    [{ ...good, exitCode: 1, output: `Error: ${"x".repeat(5000)}` }, "xxx..."],
    [
      { ...good, tree: "4.2.0-a", wanted: "4.2.1-b" },
      "is 4.2.0-a, and 4.2.1-b of this pod's image is needed",
    ],
    [{ ...good, wanted: "4.2.1-b" }, "is of no version, and 4.2.1-b"],
  ])("%j fails", (check, words) => {
    const finding = judged(check);
    expect(finding).toMatchObject({ check: "criu", status: "failed", words: expect.stringContaining(words) });
    expect(finding.words.length).toBeLessThan(400);
  });

  test("counts 4.1 and what it cannot read as new enough", () => {
    for (const version of ["4.1", "4.1.1", "5.0", "GitID v4.2", undefined])
      expect(judged({ ...good, version }).status).toBe("ok");
  });
});

describe("the link", () => {
  const judged = (target: Parameters<typeof checkCriuLink>[2]) =>
    checkCriuLink(FOLDER, "/usr/local/sbin/criu", target);

  test.each(["../../../opt/cedana-cdk/current/bin/criu", "/opt/cedana-cdk/current/bin/criu"])(
    "to %s is ok",
    (link) => expect(judged({ link }).status).toBe("ok"),
  );
  test.each([
    [undefined, "/usr/local/sbin/criu is not there"],
    ["other" as const, "is a program of its own"],
    [{ link: "../../bin/criu" }, "leads to /usr/bin/criu and not to /opt/cedana-cdk/current/bin/criu"],
  ])("%j fails", (target, words) => {
    expect(judged(target)).toMatchObject({ status: "failed", words: expect.stringContaining(words) });
  });
});

test.each([
  ["6.1.0-13-amd64", "6.1", "ok"],
  ["6.12.40-63.114.amzn2023.x86_64", "6.1", "ok"],
  ["6.2", "6.10", "failed"],
  ["5.15.0", "6.1", "failed"],
  ["unknown", "6.1", "failed"],
])("Linux %s where %s is needed: %s", (release, least, status) => {
  expect(checkKernel(release, least).status).toBe(status);
});

test.each([
  [2, false, "ok"],
  [1, false, "failed"],
  [1, true, "warning"],
] as const)("cgroup v%d, v1 allowed %s: %s", (version, allowed, status) => {
  expect(checkCgroup(version, allowed).status).toBe(status);
});

test.each([
  ["2\n", "ok"],
  ["1\n", "warning"],
  ["0\n", "warning"],
  [undefined, "warning"],
])("io_uring_disabled %j: %s", (disabled, status) => {
  expect(checkIoUring(disabled).status).toBe(status);
});

test.each([
  [23 * GIB, "ok", "/a has 23.0 GiB free"],
  [22 * GIB, "ok", "22.0 GiB"],
  [22 * GIB - 1, "warning", "the quota of 20.0 GiB does not fit"],
  [2 * GIB, "failed", "/a has 2.0 GiB free, and 2.0 GiB stay free, so no checkpoint is taken"],
  [0, "failed", "0.0 GiB free"],
])("%d bytes free: %s", (free, status, words) => {
  const settings = { archives: "/a", reserveBytes: 2 * GIB, quotaBytes: 20 * GIB };
  expect(checkSpace(free, settings)).toMatchObject({ status, words: expect.stringContaining(words) });
});

describe("the runtime", () => {
  const judged = (version: string, config: RuntimeConfig = {}, requireRestore = true) =>
    checkRuntime(version, config, requireRestore);

  // docs/agent/checkpoint-image.md: what the node needs to restore
  test.each([
    ["containerd://2.1.9", "ok"],
    ["containerd://2.2.6", "ok"],
    ["containerd://2.2.6-rc.1", "ok"],
    ["containerd://2.3.3", "ok"],
    ["containerd://2.2.7", "failed"],
    ["containerd://2.3.4", "failed"],
    ["containerd://2.3.12", "failed"],
    ["containerd://2.4.0", "failed"],
    ["containerd://3.0.0", "failed"],
    ["containerd://2.0.5", "failed"],
    ["containerd://1.7.27", "failed"],
    ["docker://20.10", "failed"],
    ["", "failed"],
    ["cri-o://1.34.0", "warning"],
  ])("%s without the key: %s", (version, status) => expect(judged(version).status).toBe(status));

  test.each(["2.1.0", "2.2.7", "2.3.4"])("containerd %s restores with the key", (version) => {
    expect(judged(`containerd://${version}`, { restoreViaCreate: true }).status).toBe("ok");
  });

  test("the key does not help where restore was removed", () => {
    expect(judged("containerd://2.4.1", { restoreViaCreate: true })).toMatchObject({
      status: "failed",
      words: expect.stringContaining("Use one of 2.1 to 2.3"),
    });
  });

  test("a node that need not restore only warns, unless it takes no checkpoints", () => {
    expect(judged("containerd://2.3.4", {}, false).status).toBe("warning");
    expect(judged("containerd://2.0.1", {}, false).status).toBe("warning");
    expect(judged("containerd://1.7.27", {}, false).status).toBe("failed");
  });

  test("a configuration that cannot be read matters only where the key does", () => {
    expect(judged("containerd://2.1.9", { unknown: "EACCES" }).status).toBe("ok");
    expect(judged("containerd://2.3.4", { unknown: "EACCES" })).toMatchObject({
      status: "warning",
      words: expect.stringContaining("EACCES"),
    });
  });

  test.each<[RuntimeConfig, string]>([
    [{ enableCriu: false }, "is told to take no checkpoints. Remove enable_criu = false"],
    [
      { defaultHandler: "kata", defaultType: "io.containerd.kata.v2" },
      "handler kata is io.containerd.kata.v2",
    ],
  ])("%j takes no checkpoints", (config, words) => {
    expect(judged("containerd://2.1.9", config)).toMatchObject({
      status: "failed",
      words: expect.stringContaining(words),
    });
  });
});

test("a kubelet that refuses is there, one without an answer is not", () => {
  expect(checkKubelet("10.0.0.1:10250", 401).status).toBe("ok");
  expect(checkKubelet("10.0.0.1:10250", { error: "self-signed certificate" })).toMatchObject({
    status: "failed",
    words: expect.stringContaining(
      "10.0.0.1:10250 with a certificate of this cluster (self-signed certificate)",
    ),
  });
});

test.each([
  [{ kind: "ok" }, "ok", "r.example.com/c answers"],
  [{ kind: "refused", status: 401, error: "no" }, "failed", "does not accept the password (401 no). Give"],
  [{ kind: "refused", status: 403, error: "no" }, "failed", "forbids with the password (403 no). Allow"],
  [{ kind: "refused", status: 500, error: "boom" }, "failed", "refuses (500 boom)"],
  [{ kind: "unreachable", error: "ENOTFOUND" }, "failed", "does not answer (ENOTFOUND)"],
  [{ kind: "noCredentials", error: "no role" }, "failed", "no credentials for r.example.com/c: no role"],
] as const)("a registry's answer %j", (answer, status, words) => {
  const finding = checkRegistry("r.example.com/c", "the password", answer);
  expect(finding).toMatchObject({ status, words: expect.stringContaining(words) });
});

describe("the condition", () => {
  const found = (check: Finding["check"], status: Finding["status"], words = "words") => ({
    check,
    status,
    words,
  });

  test("is True without words if all is well", () => {
    const all = CHECKS.map((check) => found(check, "ok"));
    expect(conditionOf(all)).toEqual({ status: "True", reason: "ChecksPassed", message: "" });
  });

  test("is True with what to look out for", () => {
    expect(conditionOf([found("ioUring", "warning", "not disabled"), found("criu", "ok")])).toEqual({
      status: "True",
      reason: "PassedWithWarnings",
      message: "ioUring (warning): not disabled",
    });
  });

  test("tells all that failed, in a fixed order, and then not what only warns", () => {
    const findings = [
      found("cgroup", "warning", "v1"),
      found("registry", "failed", "silent"),
      found("criu", "failed", "missing"),
      found("space", "ok"),
    ];
    expect(conditionOf(findings)).toEqual({
      status: "False",
      reason: "CheckFailed",
      message: "criu: missing; registry: silent",
    });
    expect(conditionOf(findings.toReversed())).toEqual(conditionOf(findings));
  });

  test("is not longer than 1,024 characters, and says how much is left out", () => {
    const long = CHECKS.map((check) => found(check, "failed", "x".repeat(300)));
    const { message } = conditionOf(long);
    expect(message.length).toBeLessThanOrEqual(1024);
    expect(message).toMatch(/^criu: x+; criuLink: x+; kernel: x+; and 6 more$/);
    expect(conditionOf([found("criu", "failed", "x".repeat(5000))]).message).toHaveLength(1024);
  });
});
