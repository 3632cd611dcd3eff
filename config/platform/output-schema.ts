import * as v from "../schema/valibot";
import { described, pattern, shape } from "../schema";

/** Where synthesized files are written. */
export const outputSchema = shape({
  directory: described(
    v.optional(
      pattern(/^(?!\/)(?!\s*$)(?!.*(^|\/)\.\.(\/|$))[^\\:*?"<>|]+$/, {
        code: "not-a-directory-below",
        message: "is not a directory below cedana.yaml",
        allowed: "a relative path with / and without .., such as out",
      }),
      "out",
    ),
    "Output directory, relative to cedana.yaml. It gets the subdirectories terraform/ and kubernetes/.",
  ),
  format: described(
    v.optional(v.picklist(["objects", "file", "helm"]), "objects"),
    "Format of the Kubernetes objects. objects: one file each, and a kustomization.yaml. file: all in one file, and a kustomization.yaml. helm: a chart that installs the same objects.",
  ),
});

export type ResolvedOutput = v.InferOutput<typeof outputSchema>;
