import { nodeLabelValue } from "../../../api";

test("the node label is the node's name if it fits, else a hash that differs for each name", () => {
  const long = (end: string) => `${"n".repeat(80)}.${end}`;
  expect(nodeLabelValue("ip-10-0-0-1.ec2.internal")).toBe("ip-10-0-0-1.ec2.internal");
  expect(nodeLabelValue("n".repeat(63))).toBe("n".repeat(63));
  expect(nodeLabelValue(long("a"))).toMatch(/^[0-9a-f]{63}$/);
  expect(nodeLabelValue(long("a"))).not.toBe(nodeLabelValue(long("b")));
});
