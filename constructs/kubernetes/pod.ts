import type { V1Container, V1PodSpec, V1SecurityContext } from "@kubernetes/client-node";
import { imageReference, type ResolvedInstall } from "../../config/install";

/** A container without any privilege, as Pod Security `restricted` wants it, on a file system that it cannot change. */
export const UNPRIVILEGED = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: "RuntimeDefault" },
} satisfies V1SecurityContext;

interface ImageSpec {
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
  readonly pullPolicy: string;
}

export function image(spec: ImageSpec): Pick<V1Container, "image" | "imagePullPolicy"> {
  return { image: imageReference(spec), imagePullPolicy: spec.pullPolicy };
}

interface Placement {
  readonly affinity?: V1PodSpec["affinity"] | undefined;
  readonly nodeSelector: Record<string, string>;
  readonly priorityClassName: string;
  readonly tolerations: V1PodSpec["tolerations"];
}

/** Where pods run, and with which secrets their images are pulled. Empty settings are left out. */
export function placementOf(install: ResolvedInstall, placement: Placement): Partial<V1PodSpec> {
  const { affinity, nodeSelector, priorityClassName, tolerations = [] } = placement;
  return {
    ...(affinity === undefined ? {} : { affinity }),
    ...(install.imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: install.imagePullSecrets.map((name) => ({ name })) }),
    ...(Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector }),
    priorityClassName,
    ...(tolerations.length === 0 ? {} : { tolerations }),
  };
}
