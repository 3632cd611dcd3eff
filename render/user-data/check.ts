/** Checks the size of user data before synthesis, with the other checks of a platform. */
import type { NodeConfigSpec, NodeSettings } from "../../config/nodes";
import { customAmiOf } from "../../config/nodes/group";
import type { ValidAreas } from "../../config/platform";
import { InvalidInputError, under, type Problem } from "../../config/schema";
import { writeMime } from "./mime";
import { userDataParts, type Bootstrap } from "./user-data";

/** EC2's limit is 16 KiB. EKS and Karpenter append a NodeConfig with the cluster's certificate and labels. */
export const USER_DATA_MAX_BYTES = 16_384 - 4096;

/** Settings that determine the user data of a node. */
export type UserDataSettings = NodeSettings & { readonly postNodeadm?: readonly string[] };

/**
 * Returns the whole user data, or undefined if nothing has to be added to that of EKS or Karpenter.
 * @throws InvalidInputError if it exceeds EC2's limit
 */
export function renderUserData(settings: UserDataSettings, bootstrap: Bootstrap): string | undefined {
  const text = writeUserData(settings, bootstrap);
  const problems = checkUserDataSize(settings, text ?? "");
  if (problems.length > 0) throw new InvalidInputError("user data", problems);
  return text;
}

/** Returns the user data of any size. */
function writeUserData(settings: UserDataSettings, bootstrap: Bootstrap): string | undefined {
  const parts = userDataParts(settings, bootstrap);
  return parts.length === 0 ? undefined : writeMime(parts);
}

/** Returns the problem of user data that exceeds EC2's limit. Its path is that of the largest setting. */
function checkUserDataSize(settings: UserDataSettings, text: string): Problem[] {
  const bytes = Buffer.byteLength(text);
  if (bytes <= USER_DATA_MAX_BYTES) return [];
  const path = largest(settings);
  const isScript = path[0] === "preNodeadm" || path[0] === "postNodeadm";
  return [
    {
      code: "user-data-too-large",
      path,
      message: "makes the user data larger than EC2's limit",
      given: `${bytes} bytes in all`,
      allowed: `up to ${USER_DATA_MAX_BYTES} bytes; EKS and Karpenter need the rest`,
      remedy: isScript ? "move long scripts into the AMI" : "shorten it, or move it into the AMI",
    },
  ];
}

/** Returns the path of the setting that adds most to the user data. */
function largest({ preNodeadm, postNodeadm, containerd, ...rest }: UserDataSettings): Problem["path"] {
  const { sysctls, kubelet, instance, labels, taints } = rest;
  const settings: readonly (readonly [Problem["path"], unknown])[] = [
    [["preNodeadm"], preNodeadm],
    [["postNodeadm"], postNodeadm],
    [["containerd", "config"], containerd.config],
    [["containerd", "baseRuntimeSpec"], containerd.baseRuntimeSpec],
    ...Object.entries({ sysctls, kubelet, instance, labels, taints }).map(
      ([name, value]) => [[name], value] as const,
    ),
  ];
  const sizes = settings.map(([path, value]) => [path, JSON.stringify(value)?.length ?? 0] as const);
  return sizes.reduce((most, one) => (one[1] > most[1] ? one : most))[0];
}

/** Checks the user data of all valid node groups and node pools. Pass it to `checkPlatform` or `readPlatform`. */
export function checkUserData({ nodeGroups, karpenter, ...areas }: ValidAreas): Problem[] {
  const cluster = clusterOf(areas);
  const nodes: readonly (readonly [Problem["path"], UserDataSettings, Bootstrap])[] = [
    ...[...nodeGroups].map(([index, group]) => {
      const bootstrap: Bootstrap = customAmiOf(group) ? { mode: "custom-ami", cluster } : { mode: "managed" };
      return [["nodeGroups", index], group, bootstrap] as const;
    }),
    ...(karpenter?.nodePools ?? []).map(
      (pool, index) => [["karpenter", "nodePools", index], pool, { mode: "karpenter" }] as const,
    ),
  ];
  return nodes.flatMap(([path, settings, bootstrap]) =>
    under(path, checkUserDataSize(settings, writeUserData(settings, bootstrap) ?? "")),
  );
}

/** Stands for an attribute that only Terraform knows. As long as the longest token of cdktf, or longer. */
const UNKNOWN = "https://".padEnd(64, "x");

function clusterOf({
  cluster,
  existingCluster,
}: Partial<ValidAreas>): NonNullable<NodeConfigSpec["cluster"]> {
  return {
    name: (cluster ?? existingCluster)?.name ?? UNKNOWN,
    apiServerEndpoint: existingCluster?.endpoint ?? UNKNOWN,
    certificateAuthority: existingCluster?.certificateAuthority ?? UNKNOWN,
    cidr: existingCluster?.serviceCidr ?? UNKNOWN,
  };
}
