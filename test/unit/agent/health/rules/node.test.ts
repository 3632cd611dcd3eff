import {
  checkCgroup,
  checkIoUring,
  checkKernel,
  checkKubelet,
  checkRuntime,
  checkSpace,
  type RuntimeConfig,
} from "../../../../../agent/health/rules/node";

const GIB = 2 ** 30;

test.each([
  ["6.1.0-13-amd64", "6.1", "ok"],
  ["6.12.40-63.114.amzn2023.x86_64", "6.1", "ok"],
  ["6.2", "6.10", "failed"],
  ["5.15.0", "6.1", "failed"],
  ["unknown", "6.1", "failed"],
])("Linux %s, required %s: %s", (release, least, status) => {
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
  [2 * GIB, "failed", "/a has 2.0 GiB free, not more than the reserve of 2.0 GiB"],
  [0, "failed", "0.0 GiB free"],
])("%d bytes free: %s", (free, status, message) => {
  const settings = { archives: "/a", reserveBytes: 2 * GIB, quotaBytes: 20 * GIB };
  expect(checkSpace(free, settings)).toMatchObject({ status, message: expect.stringContaining(message) });
});

describe("the runtime", () => {
  const findingOf = (version: string, config: RuntimeConfig = {}, requireRestore = true) =>
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
  ])("%s without the key: %s", (version, status) => expect(findingOf(version).status).toBe(status));

  test.each(["2.1.0", "2.2.7", "2.3.4"])("containerd %s restores with the key", (version) => {
    expect(findingOf(`containerd://${version}`, { restoreViaCreate: true }).status).toBe("ok");
  });

  test("fails on containerd versions without restore, even with enable_experimental_restore_via_create", () => {
    expect(findingOf("containerd://2.4.1", { restoreViaCreate: true })).toMatchObject({
      status: "failed",
      remedy: "Use one of 2.1 to 2.3",
    });
  });

  test("without requireRestore, only a runtime without checkpoints fails", () => {
    expect(findingOf("containerd://2.3.4", {}, false).status).toBe("warning");
    expect(findingOf("containerd://2.0.1", {}, false).status).toBe("warning");
    expect(findingOf("containerd://1.7.27", {}, false).status).toBe("failed");
  });

  test("an unreadable configuration matters only for versions that need the key", () => {
    expect(findingOf("containerd://2.1.9", { unknown: "EACCES" }).status).toBe("ok");
    expect(findingOf("containerd://2.3.4", { unknown: "EACCES" })).toMatchObject({
      status: "warning",
      message: expect.stringContaining("EACCES"),
    });
  });

  test("names the key to remove if checkpoints are disabled", () => {
    const { remedy } = findingOf("containerd://2.1.9", { enableCriu: false });
    expect(remedy).toContain("Remove enable_criu = false");
  });

  test.each<[RuntimeConfig, string]>([
    [{ enableCriu: false }, "checkpoints are disabled in containerd 2.1.9"],
    [
      { defaultHandler: "kata", defaultType: "io.containerd.kata.v2" },
      "handler kata is io.containerd.kata.v2",
    ],
  ])("fails with the configuration %j", (config, message) => {
    expect(findingOf("containerd://2.1.9", config)).toMatchObject({
      status: "failed",
      message: expect.stringContaining(message),
    });
  });
});

test("the kubelet check accepts any HTTP status, but no other error", () => {
  expect(checkKubelet("10.0.0.1:10250", 401).status).toBe("ok");
  expect(checkKubelet("10.0.0.1:10250", { error: "self-signed certificate" })).toMatchObject({
    status: "failed",
    message: expect.stringContaining(
      "10.0.0.1:10250 with a certificate of this cluster (self-signed certificate)",
    ),
  });
});
