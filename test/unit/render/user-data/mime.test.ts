import * as fc from "fast-check";
import {
  NODE_CONFIG_TYPE,
  SHELL_TYPE,
  readMime,
  writeMime,
  type MimePart,
} from "../../../../render/user-data";
import { assertProperty } from "../../../support/property";

const codes = (text: string) => readMime(text).problems?.map(({ code }) => code);

const part: fc.Arbitrary<MimePart> = fc.record({
  contentType: fc.constantFrom(
    NODE_CONFIG_TYPE,
    SHELL_TYPE,
    "text/cloud-config",
    "text/plain; charset=utf-8",
  ),
  content: fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .array(
        fc.constantFrom(
          "\n",
          "\r\n",
          "\r",
          "--cedana-node",
          "--cedana-node--",
          "--cedana-node-1",
          "a: b",
          " ",
          "",
        ),
      )
      .map((pieces) => pieces.join("")),
  ),
});

test("parses any parts as they were written", () => {
  assertProperty(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      expect(readMime(writeMime(parts))).toEqual({ parts });
    }),
    200,
  );
});

test("writes the same bytes for the same parts, with a boundary that is in none of them", () => {
  assertProperty(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), (parts) => {
      const text = writeMime(parts);
      expect(writeMime(structuredClone(parts))).toBe(text);
      const boundary = /boundary="([^"]+)"/.exec(text)?.[1] ?? "";
      expect(text.split(`--${boundary}`)).toHaveLength(parts.length + 2);
    }),
  );
});

test("parses a document with CRLF line ends", () => {
  const parts = [{ contentType: NODE_CONFIG_TYPE, content: "a: 1\r\nb: 2\r\n" }];
  const text = writeMime([{ contentType: NODE_CONFIG_TYPE, content: "a: 1\nb: 2\n" }]);
  expect(readMime(text.replaceAll("\n", "\r\n"))).toEqual({ parts });
});

test("parses folded headers, any case, other headers, and boundaries without quotes", () => {
  const text = [
    "Content-type: multipart/mixed;",
    " boundary=//",
    "MIME-Version: 1.0",
    "",
    "--//",
    'content-type: text/x-shellscript; charset="us-ascii"',
    "Content-Transfer-Encoding: 7bit",
    "",
    "#!/bin/sh",
    "--//--",
    "",
  ].join("\n");
  expect(readMime(text)).toEqual({
    parts: [{ contentType: 'text/x-shellscript; charset="us-ascii"', content: "#!/bin/sh" }],
  });
});

test.each([
  ["plain text", "hello", "invalid-multipart"],
  ["no boundary", "Content-Type: multipart/mixed\n\n--a\n", "invalid-multipart"],
  [
    "another boundary than the header's",
    'Content-Type: multipart/mixed; boundary="a"\n\n--b\nx: y\n\n--b--\n',
    "missing-part",
  ],
  [
    "a missing end",
    'Content-Type: multipart/mixed; boundary="a"\n\n--a\nContent-Type: text/plain\n\nhalf',
    "missing-end",
  ],
  [
    "parts within parts",
    'Content-Type: multipart/mixed; boundary="a"\n\n--a\nContent-Type: multipart/mixed; boundary="b"\n\n--a--\n',
    "nested-multipart",
  ],
  [
    "a part without a type",
    'Content-Type: multipart/mixed; boundary="a"\n\n--a\nX: y\n\ntext\n--a--\n',
    "missing-content-type",
  ],
  [
    "a line that begins like the boundary",
    'Content-Type: multipart/mixed; boundary="a"\n\n--a\nContent-Type: text/plain\n\n\n--ab\n\n--a--\n',
    "boundary-mismatch",
  ],
])("reports %s", (_what, text, code) => {
  expect(codes(text)).toContain(code);
});

test("rejects a content type with a line feed", () => {
  expect(() => writeMime([{ contentType: "text/plain\nX: y", content: "" }])).toThrow(RangeError);
});
