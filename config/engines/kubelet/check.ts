import { checkKubeletFeatures } from "../../features";
import type { Problem } from "../../schema/problem";
import type { ResolvedKubeletEngine } from "./schema";

/** What depends on several properties of the engine `kubelet`. */
export function checkKubeletEngine(engine: ResolvedKubeletEngine): Problem[] {
  return [...checkImage(engine), ...checkKubeletFeatures(engine)];
}

function checkImage({ image }: ResolvedKubeletEngine): Problem[] {
  if (image.tag !== undefined || image.digest !== undefined) return [];
  return [
    {
      code: "missing",
      path: ["image"],
      message: "does not say which image of the repository",
      given: image.repository,
      allowed: "a digest, or a tag such as 0.1.0",
    },
  ];
}
