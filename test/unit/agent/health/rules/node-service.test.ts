import { checkHandler, checkNodeService } from "../../../../../agent/health/rules/node-service";

const HANDLER = { name: "cedana-criu", binary: "/usr/local/bin/cedana-runc" };
const CONFIG = { binary: HANDLER.binary, podAnnotations: ["other/*", "cedana.ai/*"] };
const NODE = "containerd://2.3.7";

test("passes a handler with the wrapper and the annotations", () => {
  expect(checkHandler(NODE, HANDLER, CONFIG, "executable")).toEqual({
    check: "runtime",
    status: "ok",
    message: "containerd 2.3.7 has the runtime handler cedana-criu",
  });
});

test.each([
  ["another runtime", "cri-o://1.34.0", CONFIG, "executable", "the runtime is cri-o://1.34.0"],
  ["no handler", NODE, undefined, "executable", "containerd has no runtime handler cedana-criu"],
  ["an unknown configuration", NODE, { unknown: "EACCES" }, "executable", "unknown whether .*: EACCES"],
  [
    "another binary",
    NODE,
    { ...CONFIG, binary: "/usr/sbin/runc" },
    "executable",
    "calls /usr/sbin/runc, not",
  ],
  ["the default binary", NODE, { podAnnotations: ["cedana.ai/*"] }, "executable", "calls runc, not"],
  ["no annotations", NODE, { ...CONFIG, podAnnotations: [] }, "executable", "does not pass annotations"],
  [
    "another cgroup driver than the default handler",
    NODE,
    { ...CONFIG, systemdCgroup: { own: false, default: true } },
    "executable",
    "has SystemdCgroup = false, the default handler true",
  ],
  [
    "no cgroup driver",
    NODE,
    { ...CONFIG, systemdCgroup: { default: true } },
    "executable",
    "has SystemdCgroup = false, the default handler true",
  ],
  ["no wrapper", NODE, CONFIG, "missing", "/usr/local/bin/cedana-runc is missing"],
  ["a wrapper that cannot be executed", NODE, CONFIG, "other", "is not an executable file"],
] as const)("fails with %s", (_, nodeInfo, config, file, message) => {
  const finding = checkHandler(nodeInfo, HANDLER, config, file);
  expect(finding).toMatchObject({ check: "runtime", status: "failed" });
  expect(finding.message).toMatch(new RegExp(message));
  expect(finding.remedy).not.toBe("");
});

test.each([
  [{ podAnnotations: CONFIG.podAnnotations }, `BinaryName = "${HANDLER.binary}"`],
  [{ ...CONFIG, podAnnotations: [] }, 'pod_annotations = ["cedana.ai/*"]'],
  [{ ...CONFIG, systemdCgroup: { default: true } }, "SystemdCgroup = true"],
])("the remedy of %j names the line of the configuration", (config, line) => {
  const { remedy } = checkHandler(NODE, HANDLER, config, "executable");
  expect(remedy).toContain(line);
  expect(remedy).toContain("docs/nodes/node-service.md");
});

test("passes a handler with the cgroup driver of the default handler", () => {
  for (const each of [{}, { own: true, default: true }, { own: true }, { own: false, default: false }])
    expect(checkHandler(NODE, HANDLER, { ...CONFIG, systemdCgroup: each }, "executable").status).toBe("ok");
});

test.each([
  [undefined, "failed", "has not reported yet"],
  [{}, "failed", "has not reported yet"],
  [
    { service: { error: "connect ENOENT" } },
    "failed",
    "does not respond at /run/node.sock \\(connect ENOENT\\)",
  ],
  [{ service: {} }, "ok", "responds at /run/node.sock"],
] as const)("judges the result %j", (result, status, message) => {
  const check = result && { atMs: 0, output: "", ...result };
  const finding = checkNodeService("/run/node.sock", check);
  expect(finding).toMatchObject({ check: "nodeService", status });
  expect(finding.message).toMatch(new RegExp(message));
});
