import { nodeCheckpointName, nodeLabelValue } from "../../../api";

test("the node label is the node's name if it fits, else a hash that differs for each name", () => {
  const long = (end: string) => `${"n".repeat(80)}.${end}`;
  expect(nodeLabelValue("ip-10-0-0-1.ec2.internal")).toBe("ip-10-0-0-1.ec2.internal");
  expect(nodeLabelValue("n".repeat(63))).toBe("n".repeat(63));
  expect(nodeLabelValue(long("a"))).toMatch(/^[0-9a-f]{63}$/);
  expect(nodeLabelValue(long("a"))).not.toBe(nodeLabelValue(long("b")));
});

test("the name for the longest container name is a valid object name and image tag", () => {
  const name = nodeCheckpointName("0b8f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10", "c".repeat(63));
  expect(name).toMatch(/^[a-z0-9][a-z0-9.-]{0,252}$/);
  expect(name.length).toBeLessThanOrEqual(128);
});
