import {
  STARTUP_TAINT_DEFAULT,
  startupTaintSchema,
  type Taint,
  toAutoscalerArgument,
  toAutoscalerTag,
  toEksTaint,
  toKarpenterTaint,
  toKubeletTaint,
  toTaintText,
  toToleration,
} from "../../../../config";
import { check } from "../../../../config/schema";

test("writes a taint in every format", () => {
  const taint = STARTUP_TAINT_DEFAULT;
  expect(toTaintText(taint)).toBe("cedana.ai/not-ready=true:NoSchedule");
  expect(toKubeletTaint(taint)).toEqual({ key: "cedana.ai/not-ready", value: "true", effect: "NoSchedule" });
  expect(toKarpenterTaint(taint)).toEqual(toKubeletTaint(taint));
  expect(toEksTaint(taint)).toEqual({ key: "cedana.ai/not-ready", value: "true", effect: "NO_SCHEDULE" });
  expect(toAutoscalerTag(taint)).toEqual({
    key: "k8s.io/cluster-autoscaler/node-template/taint/cedana.ai/not-ready",
    value: "true:NoSchedule",
  });
  expect(toAutoscalerArgument(taint)).toBe("--startup-taint=cedana.ai/not-ready");
  expect(toToleration(taint)).toEqual({
    key: "cedana.ai/not-ready",
    operator: "Equal",
    value: "true",
    effect: "NoSchedule",
  });
});

test("writes a taint without a value", () => {
  const taint: Taint = { key: "a", value: "", effect: "NoExecute" };
  expect(toTaintText(taint)).toBe("a:NoExecute");
  expect(toKubeletTaint(taint)).toEqual({ key: "a", effect: "NoExecute" });
  expect(toEksTaint(taint).effect).toBe("NO_EXECUTE");
  expect(toAutoscalerTag(taint).value).toBe(":NoExecute");
  expect(toToleration(taint)).toEqual({ key: "a", operator: "Exists", effect: "NoExecute" });
});

test("accepts another key for the startup taint, or none", () => {
  expect(check(startupTaintSchema, { key: "startup-taint.cluster-autoscaler.kubernetes.io/cedana" })).toEqual(
    {
      value: {
        key: "startup-taint.cluster-autoscaler.kubernetes.io/cedana",
        value: "true",
        effect: "NoSchedule",
      },
    },
  );
  expect(check(startupTaintSchema, false)).toEqual({ value: false });
  expect(check(startupTaintSchema, true).problems).toHaveLength(1);
  expect(check(startupTaintSchema, { effect: "PreferNoSchedule" }).problems?.[0]?.path).toEqual(["effect"]);
});
