import { selectorText } from "../../../../controller/policies/workloads";

test("writes selectors as the API does", () => {
  const matchExpressions = [
    { key: "a", operator: "In", values: ["1", "2"] },
    { key: "b", operator: "NotIn", values: ["3"] },
    { key: "c", operator: "Exists" },
    { key: "d", operator: "DoesNotExist" },
  ] as const;
  expect(selectorText({ matchLabels: { app: "web" }, matchExpressions })).toBe(
    "app=web,a in (1,2),b notin (3),c,!d",
  );
});
