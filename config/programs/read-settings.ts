import type { GenericSchema, InferOutput } from "../schema/valibot";
import { parse, YAMLParseError } from "yaml";
import { check, type Checked } from "../schema";

/** What a program of the cluster is told in a text (YAML or JSON), by its schema, or all problems of it. Nothing is thrown. */
export function readSettings<S extends GenericSchema>(schema: S, text: string): Checked<InferOutput<S>> {
  try {
    return check(schema, parse(text));
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    return { problems: [{ code: "yaml-syntax", path: [], message: `is not YAML: ${error.message}` }] };
  }
}
