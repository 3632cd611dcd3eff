import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import Ajv from "ajv";
import { parse } from "yaml";
import { INIT_DEFAULTS, initFile } from "../../../../cli/init-file";
import { ENGINE_KINDS } from "../../../../config/engine-kinds";
import { readPlatform } from "../../../../config/platform/file";
import { platformJsonSchema } from "../../../../cli/schema/input-schema";
import { platformSchema } from "../../../../config/platform";
import { check } from "../../../../config/schema";
import { files, ROOT } from "../../../support/sources";

const validate = new Ajv({ strict: false, allErrors: true }).compile(platformJsonSchema());
const BAD = files("test/golden/platform/bad", /\.yaml$/);

/** Codes of problems that a JSON Schema pattern cannot express. */
const READER_ONLY = new Set(["invalid-cidr", "reserved-label", "reserved-taint"]);

test.each(
  ENGINE_KINDS.flatMap((engine) =>
    (["new", "existing", "none"] as const).map((aws) => ({ engine, aws, gpu: true })),
  ),
)("the JSON Schema and the reader accept a file of init: %j", (answers) => {
  const text = initFile({ ...INIT_DEFAULTS, ...answers });
  const accepted = validate(parse(text));
  expect(validate.errors).toBeNull();
  expect(accepted).toBe(true);
  expect(readPlatform(text).problems).toBeUndefined();
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

test("the schema has only keywords of JSON Schema, and derived defaults in the description", () => {
  expect(() => new Ajv({ strictSchema: true }).compile(platformJsonSchema())).not.toThrow();
  const description = expect.stringMatching(/\. Default: the private subnets of the cluster\.$/) as string;
  expect(platformJsonSchema()).toMatchObject({
    properties: { nodeGroups: { items: { properties: { subnetIds: { description } } } } },
  });
});
