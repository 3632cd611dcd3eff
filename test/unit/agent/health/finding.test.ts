import { conditionOf, CHECKS, type Finding } from "../../../../agent/health";

describe("the condition", () => {
  const finding = (check: Finding["check"], status: Finding["status"], message = "message"): Finding => ({
    check,
    status,
    message,
  });

  test("is True without a message if all checks passed", () => {
    const all = CHECKS.map((check) => finding(check, "ok"));
    expect(conditionOf(all)).toEqual({ status: "True", reason: "ChecksPassed", message: "" });
  });

  test("is True with the warnings", () => {
    expect(conditionOf([finding("ioUring", "warning", "not disabled"), finding("criu", "ok")])).toEqual({
      status: "True",
      reason: "PassedWithWarnings",
      message: "ioUring (warning): not disabled",
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
    });
    expect(conditionOf(findings.toReversed())).toEqual(conditionOf(findings));
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
