import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, sources } from "./sources";

/** A type of the library that is inferred from a schema. */
export interface Input {
  /** Name of the type. */
  readonly name: string;
  /** Name of the schema, which the module exports. */
  readonly schema: string;
  /** Path of the module from the root of the repository, without extension. */
  readonly module: string;
}

const INFERRED = /export (?:interface|type) (\w+) (?:extends|=) v\.InferInput<typeof (\w+)>/g;

/** Returns every type of the library that describes an input. */
export function inputs(): Input[] {
  const { include } = JSON.parse(readFileSync(join(ROOT, "tsconfig.build.json"), "utf8")) as {
    include: string[];
  };
  return sources(...include).flatMap(({ path, text }) =>
    [...text.matchAll(INFERRED)].map(([, name = "", schema = ""]) => ({
      name,
      schema,
      module: path.replace(/\.ts$/, ""),
    })),
  );
}
