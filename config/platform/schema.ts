import * as v from "../schema/valibot";
import { arn, derived, described, pattern, region, rule, shape, titled } from "../schema";
import { bucketName, checkpointStoreSchema } from "../checkpoint-store";
import { tagsSchema } from "../nodes/settings";
import { existingOrNew, isMapping } from "../schema/shape";
import { clusterSchema, existingClusterSchema } from "../cluster";
import { engineKindOf, engineSchema, enginesWith, type EngineKind } from "../engines";
import { imageRepositorySchema } from "../image-repository";
import { installSchema } from "../install";
import { karpenterSchema } from "../karpenter";
import { networkSchema } from "../network";
import { nodeGroupSchema } from "../nodes/group";
import type { Problem } from "../schema/problem";

/** Longest path that leaves room for the files below it: PATH_MAX of Linux is 4096 bytes. */
const DIRECTORY_MAX = 1024;
/** Longest name of a directory: NAME_MAX of Linux. */
const NAME_MAX = 255;

/** Matches a relative path that every operating system can have. */
const outputDirectory = v.pipe(
  pattern(/^(?!\/)(?!\s*$)(?![\s\S]*(^|\/)\.\.(\/|$))[^\\:*?"<>|]+$/, {
    code: "invalid-output-directory",
    message: "is not a subdirectory of the directory of cedana.yaml",
    allowed: "a relative path with / as separator and without .., such as out",
  }),
  rule<string>({
    code: "invalid-output-directory",
    test: (path) => !/\p{Cc}|\s(?:\/|$)|(?:^|\/)\s/u.test(path),
    message: "has a control character, or a name that begins or ends with a blank",
    allowed: "names such as out or my out",
  }),
  rule<string>({
    code: "output-directory-too-long",
    test: (path) =>
      Buffer.byteLength(path) <= DIRECTORY_MAX &&
      path.split("/").every((name) => Buffer.byteLength(name) <= NAME_MAX),
    message: "is too long",
    allowed: `up to ${DIRECTORY_MAX} bytes, and up to ${NAME_MAX} bytes between two /`,
  }),
);

/** Describes the output of the synthesis. */
export const outputSchema = shape({
  directory: described(
    v.optional(outputDirectory, "out"),
    "Output directory, relative to cedana.yaml. It gets the subdirectories terraform/ and kubernetes/.",
  ),
  format: described(
    v.optional(v.picklist(["objects", "file", "helm"]), "objects"),
    "Format of the Kubernetes objects. objects: one file per object, and a kustomization.yaml. file: a single file, and a kustomization.yaml. helm: a chart that installs the same objects.",
  ),
});

export type ResolvedOutput = v.InferOutput<typeof outputSchema>;

const localBackendSchema = shape({
  path: described(
    v.pipe(v.string(), v.minLength(1)),
    "Path of the file, absolute or relative to the working directory of Terraform. Use it only for experiments.",
  ),
});

const s3BackendSchema = shape({
  bucket: described(bucketName, "Name of the bucket. It must exist."),
  key: described(
    derived(
      pattern(/^[A-Za-z0-9!_.*'()/-]{1,1024}$/, {
        code: "invalid-object-key",
        message: "is not a valid S3 object key",
        allowed: "letters, digits, / and !_.*'()-",
      }),
      "<region>/<cluster>/platform.tfstate; required with existingCluster",
    ),
    "Key of the state in the bucket. Two platforms must not share it. The lock file is stored next to it (Terraform 1.10 and newer).",
  ),
  region: described(region, "AWS region of the bucket."),
  kmsKeyId: described(derived(arn, "the bucket's encryption"), "KMS key that encrypts the state."),
});

/** Describes the settings of Terraform. Terraform reads its credentials only from the environment. */
export const terraformSchema = shape({
  backend: described(
    derived(
      existingOrNew(
        "path",
        titled(localBackendSchema, "a local file"),
        titled(s3BackendSchema, "an S3 bucket"),
      ),
      "a file in the working directory of Terraform",
    ),
    "Backend of the Terraform state.",
  ),
  tags: described(
    v.optional(tagsSchema, {}),
    "Tags of all resources that support tags, including the instances, volumes and network interfaces of node groups. The tags of a group override them.",
  ),
});

/** Describes cedana.yaml. */
export const platformSchema = shape({
  version: described(v.literal(1), "Version of the file format. Must be 1."),
  cluster: described(derived(clusterSchema, "no new cluster"), "A new EKS cluster."),
  network: described(
    derived(networkSchema, "with cluster, a new VPC with the default settings"),
    "Network of the new cluster.",
  ),
  existingCluster: described(
    derived(
      existingClusterSchema,
      "none; without cluster and existingCluster, only the Kubernetes side is synthesized",
    ),
    "An existing EKS cluster, instead of cluster and network.",
  ),
  nodeGroups: described(v.optional(v.array(nodeGroupSchema), []), "Managed node groups of the cluster."),
  karpenter: described(
    derived(karpenterSchema, "no resources for Karpenter"),
    "AWS resources of Karpenter, and its node pools.",
  ),
  storage: described(derived(checkpointStoreSchema, "no bucket"), "S3 bucket of checkpoints."),
  imageRepository: described(
    derived(imageRepositorySchema, "no repository"),
    "ECR repository for images, including checkpoint artifacts.",
  ),
  engine: described(
    derived(engineSchema, "the Kubernetes side is not synthesized"),
    "Engine that takes and restores checkpoints.",
  ),
  install: described(
    derived(installSchema, "with engine, the default settings"),
    "How the engine is installed into the cluster.",
  ),
  terraform: described(v.optional(terraformSchema, {}), "Terraform state and tags of the AWS side."),
  output: described(v.optional(outputSchema, {}), "Output of the synthesis."),
});

/** Input of cedana.yaml. */
export interface PlatformSpec extends v.InferInput<typeof platformSchema> {}
/** cedana.yaml with its defaults. */
export type Platform = v.InferOutput<typeof platformSchema>;

/** The areas of a platform that are valid on their own. All nodes have an engine. */
export type ValidAreas = Partial<Omit<Platform, "nodeGroups">> & {
  /** Valid node groups, by their index in the input. */
  readonly nodeGroups: ReadonlyMap<number, Platform["nodeGroups"][number]>;
  /** Names of the areas that the input has, valid or not. */
  readonly present: ReadonlySet<string>;
};

/** Returns the nodes with the engine of the platform, if they do not set one. */
export function withEngine<N extends { readonly engine?: EngineKind }>(nodes: N, kind: EngineKind): N {
  return { ...nodes, engine: nodes.engine ?? kind };
}

type Karpenter = NonNullable<Platform["karpenter"]>;

/** Returns Karpenter with the engine of the platform set on all pools that do not set one. */
export function poolsWithEngine(karpenter: Karpenter, kind: EngineKind): Karpenter {
  return { ...karpenter, nodePools: karpenter.nodePools.map((pool) => withEngine(pool, kind)) };
}

/** Properties of an install on which no check of the others depends. */
const INDEPENDENT = ["policies", "kueue"] as const;

/** Returns the install without its invalid properties, if the others can be checked without them. */
function independentOf(
  install: Platform["install"],
  problems: readonly Problem[],
): Pick<ValidAreas, "install"> {
  const invalid = new Set(problems.filter(({ path }) => path[0] === "install").map(({ path }) => path[1]));
  if (!install || [...invalid].some((property) => INDEPENDENT.every((one) => one !== property))) return {};
  return { install: { ...install, ...Object.fromEntries([...invalid].map((name) => [name, false])) } };
}

/** Returns the areas of an input without problems. */
export function validAreas(
  input: unknown,
  output: Partial<Platform> | undefined,
  problems: readonly Problem[],
): ValidAreas {
  if (!isMapping(input) || !output) return { nodeGroups: new Map(), present: new Set() };
  const invalid = new Set(problems.map(({ path }) => path[0]));
  const entries = Object.entries(output).filter(
    ([area]) => area in platformSchema.entries && !invalid.has(area),
  );
  const invalidGroups = new Set(
    problems.filter(({ path }) => path[0] === "nodeGroups").map(({ path }) => path[1]),
  );
  const groups = Array.isArray(output.nodeGroups) && !invalidGroups.has(undefined) ? output.nodeGroups : [];
  const valid = Object.fromEntries(entries) as Partial<Platform>;
  const kind = engineKindOf("engine" in input ? input.engine : undefined);
  return {
    ...valid,
    ...(invalid.has("install") && independentOf(output.install, problems)),
    ...(valid.karpenter && { karpenter: poolsWithEngine(valid.karpenter, kind) }),
    nodeGroups: new Map(
      groups.flatMap((group, index) =>
        invalidGroups.has(index) ? [] : [[index, withEngine(group, kind)] as const],
      ),
    ),
    present: new Set(Object.entries(input).flatMap(([area, value]) => (value === undefined ? [] : [area]))),
  };
}

/** Adds the remedy to move an unknown key of `install` to `engine`, if an engine has a property at its path. */
export function withMoveRemedy(problem: Problem, input: unknown): Problem {
  const [area, ...path] = problem.path;
  if (problem.code !== "unknown-key" || area !== "install") return problem;
  const kinds = enginesWith(path);
  const [first] = kinds;
  if (first === undefined) return problem;
  const engine = (input as { readonly engine?: unknown } | null)?.engine;
  const target = ["engine", ...path].join(".");
  return {
    ...problem,
    remedy: kinds.includes(engineKindOf(engine))
      ? `move it to ${target}`
      : `remove it: only the engine ${kinds.join(", ")} supports it, as ${target}`,
  };
}
