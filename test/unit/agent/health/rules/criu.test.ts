import { checkCriu, checkCriuLink, type CriuCheck } from "../../../../../agent/health/rules/criu";

const TREE = "/opt/cedana-cdk";
const NOW = 1_000_000;

describe("criu check", () => {
  const good: CriuCheck = { atMs: NOW - 1000, version: "4.2.1", exitCode: 0, output: "Looks good.\n" };
  const findingOf = (check: CriuCheck | undefined) => checkCriu(TREE, check, { now: NOW, limitMs: 80_000 });

  test("passes with exit code 0", () => {
    expect(findingOf(good)).toEqual({ check: "criu", status: "ok", message: "CRIU 4.2.1 works" });
  });

  test.each([
    [true, "CRIU 4.2.1 works; the kernel tracks changed memory"],
    [
      false,
      "CRIU 4.2.1 works; the kernel does not track changed memory, so all of it is dumped in the freeze",
    ],
  ])("reports whether the kernel tracks memory: %s", (tracksMemory, message) => {
    expect(findingOf({ ...good, tracksMemory })).toEqual({ check: "criu", status: "ok", message });
  });

  const output = `Error (criu/tun.c:85): tun: Unable to create tun: No such file or directory
Error (criu/net.c:1253): net: Unexpected error: -1(Operation not permitted)
(00.291781) Error (criu/cr-check.c:1056): Can't turn TCP repair mode ON: Operation not permitted
Warn  (criu/cr-check.c:1680): Does not look good.
`;
  test.each<[CriuCheck | undefined, string]>([
    [undefined, "has not reported yet"],
    [{ ...good, atMs: NOW - 81_000 }, "for 81 s"],
    [
      { ...good, exitCode: undefined, error: "ENOENT" },
      "/opt/cedana-cdk/current/bin/criu cannot be run (ENOENT)",
    ],
    [{ ...good, version: "4.0" }, "is CRIU 4.0, but 4.1 or later is required"],
    [
      { ...good, exitCode: 1, output },
      "ended with 1: net: Unexpected error: -1(Operation not permitted), Can't turn TCP repair mode ON: Operation not permitted",
    ],
    [{ ...good, exitCode: 127, output: "unshare: failed\n" }, "ended with 127: unshare: failed"],
    [{ ...good, exitCode: 1, output: `Error: ${"x".repeat(5000)}` }, "xxx..."],
    [{ ...good, tree: "4.2.0-a", expectedTree: "4.2.1-b" }, "is 4.2.0-a, but this pod's image has 4.2.1-b"],
    [{ ...good, expectedTree: "4.2.1-b" }, "is without a version, but this pod's image has 4.2.1-b"],
  ])("fails with %j", (check, message) => {
    const finding = findingOf(check);
    expect(finding).toMatchObject({
      check: "criu",
      status: "failed",
      message: expect.stringContaining(message),
    });
    expect(finding.message.length).toBeLessThan(400);
  });

  test("accepts 4.1 and versions that it cannot parse", () => {
    for (const version of ["4.1", "4.1.1", "5.0", "GitID v4.2", undefined])
      expect(findingOf({ ...good, version }).status).toBe("ok");
  });
});

describe("the link", () => {
  const findingOf = (target: Parameters<typeof checkCriuLink>[2]) =>
    checkCriuLink(TREE, "/usr/local/sbin/criu", target);

  test.each(["../../../opt/cedana-cdk/current/bin/criu", "/opt/cedana-cdk/current/bin/criu"])(
    "to %s passes",
    (link) => expect(findingOf({ link }).status).toBe("ok"),
  );
  test.each([
    [undefined, "/usr/local/sbin/criu is missing"],
    ["other" as const, "is another program"],
    [{ link: "../../bin/criu" }, "points to /usr/bin/criu, not to /opt/cedana-cdk/current/bin/criu"],
  ])("fails with target %j", (target, message) => {
    expect(findingOf(target)).toMatchObject({ status: "failed", message: expect.stringContaining(message) });
  });
});
