import * as fc from "fast-check";
import { formatReference, originOf, parseReference } from "../../../../clients/registry";
import { assertProperty } from "../../../support/property";

const DIGEST = `sha256:${"0f".repeat(32)}`;

test.each([
  ["localhost:5000/app:1", { registry: "localhost:5000", repository: "app", tag: "1" }],
  ["localhost/app", { registry: "localhost", repository: "app" }],
  ["[::1]:5000/a/b", { registry: "[::1]:5000", repository: "a/b" }],
  [
    `1.dkr.ecr.eu-central-1.amazonaws.com/a.b/c_d--e:v1.2@${DIGEST}`,
    {
      registry: "1.dkr.ecr.eu-central-1.amazonaws.com",
      repository: "a.b/c_d--e",
      tag: "v1.2",
      digest: DIGEST,
    },
  ],
])("parses %s", (text, expected) => {
  expect(parseReference(text)).toEqual(expected);
  expect(formatReference(parseReference(text))).toBe(text);
});

test.each([
  ["app:1", "has no registry host"],
  ["team/app:1", "has no registry host"],
  ["https://registry.example.com/app", "has no registry host"],
  ["host.example.com:99999/app", "has no registry host"],
  ["user:secret@host/app", "has no registry host"],
  ["host.example.com/App", "repository"],
  ["host.example.com/a//b", "repository"],
  ["host.example.com/../b", "repository"],
  ["host.example.com/app:", "tag"],
  ["host.example.com/app:a b", "tag"],
  ["host.example.com/app@sha256:12", "digest"],
  [`host.example.com/app@${DIGEST}@${DIGEST}`, "digest"],
  ["host.example.com/", "repository"],
  [`host.example.com/${"a".repeat(300)}`, "repository"],
  ["", "has no registry host"],
])("rejects %s", (text, why) => {
  expect(() => parseReference(text)).toThrow(why);
});

test("formats what it parses to the same text, and the origin has no path", () => {
  assertProperty(
    fc.property(
      fc.string(),
      fc.stringMatching(/^[a-z0-9.:[\]-]{1,20}\/[a-z0-9/._-]{1,20}(:\w{1,5})?$/),
      (a, b) => {
        for (const text of [a, b]) {
          let reference;
          try {
            reference = parseReference(text);
          } catch {
            continue;
          }
          expect(formatReference(reference)).toBe(text);
          expect(originOf(reference.registry).pathname).toBe("/");
        }
      },
    ),
  );
});

test.each([
  ["localhost:5000", "http://localhost:5000/"],
  ["127.0.0.1:5000", "http://127.0.0.1:5000/"],
  ["127.9.9.9", "http://127.9.9.9/"],
  ["[::1]:5000", "http://[::1]:5000/"],
  ["localhost.example.com", "https://localhost.example.com/"],
  ["10.0.0.1:5000", "https://10.0.0.1:5000/"],
  ["127.0.0.1.example.com", "https://127.0.0.1.example.com/"],
  ["registry.example.com:80", "https://registry.example.com:80/"],
  ["docker.io", "https://registry-1.docker.io/"],
])("%s has the origin %s", (registry, origin) => {
  expect(originOf(registry).href).toBe(origin);
});
