import * as v from "valibot";
import { described, pattern, shape } from "../schema";

/** Where synthesized files go. */
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
    "Directory of everything that is synthesized, from that of cedana.yaml: terraform/ and kubernetes/ in it.",
  ),
  format: described(
    v.optional(v.picklist(["objects", "file", "helm"]), "objects"),
    "How Kubernetes objects are written: objects: one file each and a kustomization.yaml; file: all in one file, and a kustomization.yaml; helm: a chart that installs the same objects.",
  ),
});

export type ResolvedOutput = v.InferOutput<typeof outputSchema>;
