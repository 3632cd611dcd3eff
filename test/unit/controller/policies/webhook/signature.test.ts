import { randomBytes } from "node:crypto";
import {
  isSigned,
  isTimely,
  keysOf,
  readHeaders,
  sign,
} from "../../../../../controller/policies/webhook/signature";

/** Example of the Standard Webhooks libraries. */
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const EXAMPLE = {
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
const [KEY = Buffer.alloc(0)] = keysOf(SECRET);
const { id, timestamp, body, signature } = EXAMPLE;

test("signs the example of the specification's libraries", () => {
  expect(sign(KEY, id, timestamp, body)).toBe(signature);
});

test("accepts one of several keys and signatures, and no other body, id or time", () => {
  const keys = [randomBytes(32), KEY];
  const request = { id, timestamp, signatures: [`v1,${randomBytes(32).toString("base64")}`, signature] };
  expect(isSigned(keys, request, body)).toBe(true);
  expect(isSigned([randomBytes(32)], request, body)).toBe(false);
  expect(isSigned(keys, { ...request, id: `${id}x` }, body)).toBe(false);
  expect(isSigned(keys, { ...request, timestamp: timestamp + 1 }, body)).toBe(false);
  expect(isSigned(keys, request, `${body} `)).toBe(false);
  expect(isSigned([], request, body)).toBe(false);
  expect(isSigned(keys, { ...request, signatures: ["v1,"] }, body)).toBe(false);
});

test("reads keys, one a line, and reports invalid ones without their text", () => {
  expect(keysOf(`${SECRET}\nwhsec_${randomBytes(64).toString("base64")}\n`)).toHaveLength(2);
  const invalid = [
    "",
    "whsec_",
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    `whsec_${randomBytes(23).toString("base64")}`,
    `whsec_${randomBytes(65).toString("base64")}`,
    `${SECRET}!`,
    Array(5).fill(SECRET).join("\n"),
  ];
  for (const text of invalid) {
    let message = "accepted";
    try {
      keysOf(text);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/^it has \d keys; allowed: 1 to 4|^key 1 is not whsec_ and 24 to 64 bytes/);
    expect(text.length > 10 && message.includes(text.slice(6))).toBe(false);
  }
});

test.each<[string, Record<string, string>]>([
  ["no id", { "webhook-id": "" }],
  ["an id with a line break", { "webhook-id": "a\nb" }],
  ["a long id", { "webhook-id": "a".repeat(65) }],
  ["a timestamp that is no number", { "webhook-timestamp": "now" }],
  ["a negative timestamp", { "webhook-timestamp": "-1" }],
  ["a timestamp with a fraction", { "webhook-timestamp": "1614265330.5" }],
  ["no signature", { "webhook-signature": "" }],
  ["another version only", { "webhook-signature": "v1a,abc" }],
  ["many signatures", { "webhook-signature": Array(9).fill(signature).join(" ") }],
])("rejects headers with %s", (_, change) => {
  const headers = { "webhook-id": id, "webhook-timestamp": `${timestamp}`, "webhook-signature": signature };
  expect(readHeaders(headers)).toEqual({ id, timestamp, signatures: [signature] });
  expect(readHeaders({ ...headers, ...change })).toBeUndefined();
});

test("a timestamp may be 300 s behind and 60 s ahead", () => {
  const at = (seconds: number) => isTimely({ id, timestamp, signatures: [] }, (timestamp + seconds) * 1000);
  expect([300, 301, -60, -61].map(at)).toEqual([true, false, true, false]);
});
