import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import Ajv from "ajv";
import { parse } from "yaml";
import { INIT_DEFAULTS, initFile } from "../../../../cli/init-file";
import { platformJsonSchema } from "../../../../cli/schema/json-schema";
import { platformSchema } from "../../../../config/platform";
import { check } from "../../../../config/schema";
import { files, ROOT } from "../../../support/sources";

const validate = new Ajv({ strict: false, allErrors: true }).compile(platformJsonSchema());
const BAD = files("test/golden/platform/bad", /\.yaml$/);

/** Codes of problems that a JSON Schema pattern cannot express. */
const READER_ONLY = new Set(["not-a-cidr", "reserved-label", "reserved-taint"]);

test.each(["new", "existing", "none"] as const)("the JSON Schema accepts a file of init (%s)", (aws) => {
  const accepted = validate(parse(initFile({ ...INIT_DEFAULTS, aws, gpu: true })));
  expect(validate.errors).toBeNull();
  expect(accepted).toBe(true);
});

test.each(BAD.map((path) => [basename(path), path]))(
  "the JSON Schema accepts %s if and only if the reader does",
  (_, path) => {
    let data: unknown;
    try {
      data = parse(readFileSync(join(ROOT, path), "utf8"));
    } catch {
      return;
    }
    const problems = (check(platformSchema, data).problems ?? []).filter(
      ({ code }) => !READER_ONLY.has(code),
    );
    expect(validate(data)).toBe(problems.length === 0);
  },
);

test("every property has a description", () => {
  const bare: string[] = [];
  const visit = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    const { properties, items, anyOf, additionalProperties } = schema as Record<string, unknown>;
    for (const [name, property] of Object.entries((properties ?? {}) as Record<string, object>)) {
      if (!("description" in property)) bare.push(`${path}.${name}`);
      visit(property, `${path}.${name}`);
    }
    visit(items, `${path}[]`);
    visit(additionalProperties, `${path}.*`);
    for (const form of (anyOf ?? []) as unknown[]) visit(form, path);
  };
  visit(platformJsonSchema(), "");
  // kubelet.config is a KubeletConfiguration, which Kubernetes documents.
  expect(bare.filter((path) => !path.includes(".kubelet.config."))).toEqual([]);
});
