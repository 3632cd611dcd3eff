import { conditionOf, type Finding } from "../../../../agent/health";
import { CHECKS, formatChecks, parseChecks } from "../../../../config/programs/agent";

describe("the condition", () => {
  const finding = (check: Finding["check"], status: Finding["status"], message = "message"): Finding => ({
    check,
    status,
    message,
  });

  test("is True without a message if all checks passed", () => {
    const all = CHECKS.map((check) => finding(check, "ok"));
    expect(conditionOf(all)).toEqual({ status: "True", reason: "ChecksPassed", message: "", checks: "" });
  });

  test("is True with the warnings", () => {
    expect(conditionOf([finding("ioUring", "warning", "not disabled"), finding("criu", "ok")])).toEqual({
      status: "True",
      reason: "PassedWithWarnings",
      message: "ioUring (warning): not disabled",
      checks: "ioUring=warning",
    });
  });

  test("lists all failures in a fixed order, and then no warnings", () => {
    const findings = [
      finding("cgroup", "warning", "v1"),
      finding("registry", "failed", "silent"),
      finding("criu", "failed", "missing"),
      finding("space", "ok"),
    ];
    expect(conditionOf(findings)).toEqual({
      status: "False",
      reason: "CheckFailed",
      message: "criu: missing; registry: silent",
      checks: "criu=failed cgroup=warning registry=failed",
    });
    expect(conditionOf(findings.toReversed())).toEqual(conditionOf(findings));
  });

  test("is True with the failures of checks that do not gate the node, before the warnings", () => {
    const findings = [
      finding("cgroup", "warning", "v1"),
      finding("registry", "failed", "silent"),
      finding("space", "failed", "full"),
    ];
    const checks = "cgroup=warning space=failed registry=failed";
    expect(conditionOf(findings, ["registry", "space"])).toEqual({
      status: "True",
      reason: "PassedWithFailures",
      message: "space: full; registry: silent; cgroup (warning): v1",
      checks,
    });
    expect(conditionOf(findings, ["registry"])).toEqual({
      status: "False",
      reason: "CheckFailed",
      message: "space: full",
      checks,
    });
  });

  test("has at most 1,024 characters, and states how many findings were omitted", () => {
    const long = CHECKS.map((check) => finding(check, "failed", "x".repeat(300)));
    const { message } = conditionOf(long);
    expect(message.length).toBeLessThanOrEqual(1024);
    expect(message).toMatch(/^criu: x+; criuLink: x+; kernel: x+; and 6 more$/);
    expect(conditionOf([finding("criu", "failed", "x".repeat(5000))]).message).toHaveLength(1024);
  });

  test("includes the remedy", () => {
    const failure = { ...finding("kernel", "failed", "too old"), remedy: "Use a newer AMI" };
    expect(conditionOf([failure]).message).toBe("kernel: too old. Use a newer AMI");
  });
});

describe("the checks for the controller", () => {
  test("are read as they were written", () => {
    const problems = CHECKS.map((check, index) => ({
      check,
      status: index % 2 === 0 ? ("failed" as const) : ("warning" as const),
    }));
    expect(parseChecks(formatChecks(problems))).toEqual(problems);
    expect(parseChecks(formatChecks(CHECKS.map((check) => ({ check, status: "ok" as const }))))).toEqual([]);
  });

  test("of another version, or of a forged status, add no check and no result", () => {
    expect(parseChecks("space=failed disk=failed space=unknown registry ioUring=warning x=y=z")).toEqual([
      { check: "space", status: "failed" },
      { check: "ioUring", status: "warning" },
    ]);
  });
});
