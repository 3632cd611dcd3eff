import * as v from "valibot";
import { interfaceOf } from "../../../../cli/schema/declaration";
import { inputSchemas } from "../../../../cli/schema/input-schema";
import { derived, described, integer, oneOf, pattern, shape, titled } from "../../../../config/schema";

const part = shape({ size: described(integer(1, 9), "Size in GiB.") });
const url = pattern(/^https:/, {
  code: "url",
  message: "is no URL",
  allowed: "https://<host>",
});
const schema = shape({
  name: described(v.string(), "Name of it. */ ends no comment."),
  url: described(v.optional(url, "https://a"), "URL of it."),
  version: described(derived(v.string(), "the cluster's version"), "Version of it."),
  part: described(v.optional(oneOf([v.literal(false), part]), false), "A part."),
  image: described(
    derived(
      oneOf([
        titled(shape({ id: described(v.string(), "Id of it.") }), "a custom image"),
        titled(shape({ release: described(v.string(), "Release of it.") }), "a release"),
      ]),
      "the newest release",
    ),
    "Image of it.",
  ),
  types: described(v.pipe(v.array(oneOf([url, integer(0, 3)])), v.minLength(1)), "Types of it."),
  "kebab-case": described(v.optional(v.record(v.string(), v.unknown()), {}), "Anything."),
});

test("a declaration has description, alternatives, allowed values and default of each property", () => {
  const schemas = inputSchemas({ Whole: schema, Part: part });
  const reference = (name: string) => `import("./part").${name}`;
  expect(interfaceOf("Whole", schemas["Whole"] ?? {}, { schemas, reference })).toMatchInlineSnapshot(`
    "export interface Whole {
        /**
         * Name of it. *\\/ ends no comment.
         */
        name: string;
        /**
         * URL of it.
         *
         * Allowed: \`https://<host>\`.
         *
         * @default "https://a"
         */
        url?: string | undefined;
        /**
         * Version of it.
         *
         * @default - the cluster's version
         */
        version?: string | undefined;
        /**
         * A part.
         *
         * @default false
         */
        part?: false | import("./part").Part | undefined;
        /**
         * Image of it.
         *
         * One of: a custom image; a release.
         *
         * @default - the newest release
         */
        image?: {
            /**
             * Id of it.
             */
            id: string;
        } | {
            /**
             * Release of it.
             */
            release: string;
        } | undefined;
        /**
         * Types of it.
         *
         * Entries: at least 1.
         */
        types: (string | number)[];
        /**
         * Anything.
         *
         * @default {}
         */
        "kebab-case"?: Record<string, unknown> | undefined;
    }"
  `);
});
