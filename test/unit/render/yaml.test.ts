import * as fc from "fast-check";
import { parse, parseAllDocuments } from "yaml";
import { toYaml, toYamlStream } from "../../../render/yaml";
import { escapeTemplate } from "../../../manifests/helm";
import { assertProperty } from "../../support/property";

/** Returns the data after JSON, which the readers must return. */
const asJson = (data: unknown): unknown => JSON.parse(JSON.stringify(data)) as unknown;

/** Returns the data that readers of YAML 1.1 and of YAML 1.2 parse. */
const readBack = (data: unknown): unknown[] => {
  const text = toYaml(data);
  return [parse(text, { version: "1.1" }), parse(text, { version: "1.2" })];
};
const twice = (data: unknown): unknown[] => [asJson(data), asJson(data)];

/** Strings that some YAML readers parse as another type, or cannot parse. */
const TRAPS = [
  ..."y Y yes Yes YES n N no No NO on On ON off Off OFF true True TRUE false False FALSE null Null NULL ~".split(
    " ",
  ),
  ..."e8 -e8 E+1 .e8 e e_1 0 1 -1 +1 00 007 010 0o17 0O17 0x1F 0X1f 0b101 1_000 0.5 .5 5. 1. +.5 -.5 1e3 1E3 1e+3 1.0e-7 1e21".split(
    " ",
  ),
  ..."1:30 190:20:30 12:30:45.5 .inf -.inf +.Inf .INF .nan .NaN .e+5 0. -0 +0 1,000 0x 1__0 8e 1d 123456789012".split(
    " ",
  ),
  ..."2001-01-01 2001-12-14t21:59:43.10-05:00 2001-01-01T00:00:00Z 10.0.0.0 1.34.4 10.0.0.0/16 8Gi 100m".split(
    " ",
  ),
  ..."- -- --- -a --flag ---a ... .. . ? ?a : :a a: a:b : , [ ] { } {{ # #a a#b & &a * *a ! !a | > ' \" % @ ` = << < =a".split(
    " ",
  ),
  "2001-01-01 00:00:00",
  "--- a",
  "- a",
  "? a",
  "a: b",
  "a : b",
  "a:\tb",
  "a #b",
  "a\t#b",
  " a",
  "a ",
  "",
  " ",
  "\t",
  "a\tb",
  "\ta",
  "a\t",
  "\n",
  "\n\n",
  "a\n",
  "a\n\n",
  "a\n\n\n",
  "\na",
  " a\nb",
  "\ta\nb",
  "a\n b\n",
  "a\n  \n",
  "a\n  ",
  "a\n  \nb",
  "a\n\t",
  "a\n\t\nb\n",
  "a\n \n\n",
  "a\r\nb",
  "a\rb",
  "a\n---\nb\n",
  "a\n...\n",
  "a\n# b\n",
  "%YAML 1.2\n---\n",
  "\ufeff",
  "\ufeffa",
  "a\ufeff\nb",
  "a\u0085b\n",
  "a\u2028b\nc",
  "\u0000",
  "a\u0007\nb",
  "\u007f",
  "\u00a0",
  "a\u00a0",
  "é",
  "日本\n語\n",
  "\u{1f600}",
  "\ufffe",
  "\\",
  "a\\nb",
  "it's",
  '"',
  "'a'",
  "a'",
  "x".repeat(2000),
  "x y ".repeat(2000),
  "__proto__",
];

const titled = (texts: readonly string[]): [string, string][] =>
  texts.map((text) => [JSON.stringify(text).slice(0, 40), text]);

test.each(titled(TRAPS))(
  "writes %s so that it is read as text: as a value, in a list, as a key",
  (_, text) => {
    const values = { a: text, b: [text, [text], { c: text }], d: { e: text } };
    expect(readBack(values)).toEqual(twice(values));
    const keys = `{${JSON.stringify(text)}:{"a":1},"z":[{${JSON.stringify(text)}:"b"}]}`;
    expect(readBack(JSON.parse(keys)).map((data) => JSON.stringify(data))).toEqual([keys, keys]);
  },
);

test.each(titled(TRAPS))("writes %s as a whole document", (_, text) => {
  expect(readBack(text)).toEqual([text, text]);
});

const anyText = fc.oneof(
  fc.constantFrom(...TRAPS.filter((text) => text !== "__proto__")),
  fc.string({ unit: "binary", maxLength: 30 }).filter((text) => text !== "__proto__"),
  fc.string({
    unit: fc.constantFrom(...Array.from(" \n\t:#-?,[]{}&*!|>'\"%@`=<~.+_0123456789abefnoxyNOY")),
    maxLength: 12,
  }),
);
const { data } = fc.letrec((tie) => ({
  data: fc.oneof(
    { maxDepth: 4 },
    anyText,
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("data"), { maxLength: 4 }),
    fc.dictionary(anyText, tie("data"), { maxKeys: 4 }),
  ),
}));

test("writes any data so that YAML 1.1 and 1.2 read it unchanged", () => {
  assertProperty(
    fc.property(data, (value) => {
      expect(readBack(value)).toEqual(twice(value));
    }),
    120,
  );
});

test("writes a stream of documents", () => {
  assertProperty(
    fc.property(fc.array(data, { minLength: 1, maxLength: 5 }), (values) => {
      const documents = parseAllDocuments(toYamlStream(values));
      expect(documents.map((document) => document.toJS() as unknown)).toEqual(values.map(asJson));
    }),
    50,
  );
});

test("escapes for Helm, so that no template action remains except the one that writes {{", () => {
  assertProperty(
    fc.property(fc.string({ unit: fc.constantFrom("{", "}", '"', "-", " ", "a") }), (text) => {
      const escaped = escapeTemplate(text);
      // Evaluates actions of Go's text/template that contain only a quoted string.
      let rest = escaped;
      let output = "";
      for (let at = rest.indexOf("{{"); at >= 0; at = rest.indexOf("{{")) {
        expect(rest.slice(at)).toMatch(/^\{\{"\{\{"\}\}/);
        output += `${rest.slice(0, at)}{{`;
        rest = rest.slice(at + '{{"{{"}}'.length);
      }
      expect(output + rest).toBe(text);
    }),
  );
});

test("writes readable YAML", () => {
  expect(
    toYaml({
      args: ["--leader-elect", "-v", "{{ .Values }}"],
      cidr: "10.0.0.0/16",
      empty: { list: [], map: {}, none: null, absent: undefined },
      memory: "8Gi",
      nested: [{ name: "a", ports: [{ containerPort: 80 }] }, [1, 2]],
      script: "#!/bin/sh\nset -eu\n\necho hi\n",
      tiny: 1e-7,
      version: "1.34",
      yes: "no",
    }),
  ).toMatchInlineSnapshot(`
    "args:
      - --leader-elect
      - -v
      - "{{ .Values }}"
    cidr: 10.0.0.0/16
    empty:
      list: []
      map: {}
      none: null
    memory: 8Gi
    nested:
      - name: a
        ports:
          - containerPort: 80
      - - 1
        - 2
    script: |
      #!/bin/sh
      set -eu

      echo hi
    tiny: 1.0e-7
    version: "1.34"
    "yes": "no"
    "
  `);
});

test.each([
  ["a date", new Date(0)],
  ["a function", () => 1],
  ["NaN", NaN],
  ["infinity", -Infinity],
  ["a big integer", 1n],
  ["a symbol", Symbol("a")],
  ["a map", new Map()],
  ["undefined in a list", [undefined]],
  ["half a surrogate pair", "a\ud800b"],
])("rejects %s and names its path", (_, value) => {
  expect(() => toYaml({ spec: { list: [1, value] } })).toThrow(/spec\.list\[1\]/);
});

test("rejects a cycle", () => {
  const loop: Record<string, unknown> = {};
  loop.self = loop;
  expect(() => toYaml(loop)).toThrow("a cycle?");
});

test("rejects a key that is not text", () => {
  expect(() => toYaml({ "\udc00": 1 })).toThrow("surrogate");
});

/** A scan that is not linear would take minutes, and the test would fail by its timeout. */
test.each([
  ["colons", ": "],
  ["colons without a space", "a:"],
  ["hashes", " #"],
  ["spaces", " "],
  ["digits", "1_0:"],
  ["line feeds", "\n"],
  ["spaces and line feeds", " \n"],
  ["lines that end in a space", "ab \n"],
  ["quotes", '"'],
  ["controls", "\u0085"],
])("writes a megabyte of %s", (_, unit) => {
  const text = `a${unit.repeat(1_000_000 / unit.length)}`;
  expect(toYaml({ text, [text]: 1 }).length).toBeGreaterThan(2_000_000);
});
