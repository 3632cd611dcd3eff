import { checkCgroup, checkIoUring, checkKernel, checkSpace } from "../../../../../agent/health/rules/node";

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
  const settings = { state: "/a", reserveBytes: 2 * GIB, quotaBytes: 20 * GIB };
  expect(checkSpace(free, settings)).toMatchObject({ status, message: expect.stringContaining(message) });
});
