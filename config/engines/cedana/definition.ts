import * as v from "../../schema/valibot";
import type { CheckpointsOf, ResolvedInstall } from "../../install";
import { described, pattern, shape } from "../../schema";
import {
  checkpointEntries,
  timeoutSeconds,
  type EngineCapabilities,
  type EngineDefinition,
  type RequiredSecret,
  type Template,
  type TemplateValues,
} from "../engine";
import { cedanaNames } from "./names";
import { cedanaEngineSchema, type ResolvedCedanaEngine } from "./schema";
import { yamlText } from "../../yaml-text";
import { featureTableJson, renderFeatureTable } from "../../features";
import { runtimeHandlerSchema } from "../../nodes/settings";
import { checkCedanaEngine } from "./check";
import { checkCedanaInstall, removesTaint } from "./check-install";

/** Describes the engine settings of the controller. */
export const cedanaControllerSchema = shape({
  ...checkpointEntries,
  engine: described(v.literal("cedana"), "Engine that takes checkpoints."),
  manager: described(
    shape({
      url: described(
        pattern(/^https?:\/\/[^\s/@]+$/, {
          code: "invalid-url",
          message: "is not the URL of an HTTP server",
          allowed: "http(s)://<host>[:<port>]",
        }),
        "URL of the REST API of Cedana's manager.",
      ),
      root: described(
        pattern(/^\/\S+$/, {
          code: "invalid-path",
          message: "is not an absolute path",
          allowed: "a path such as /run/containerd/runc/k8s.io",
        }),
        "Directory where the container runtime stores the state of its containers.",
      ),
      timeoutSeconds,
    }),
    "Access to Cedana's manager.",
  ),
});

/** Returns the engine settings of the controller. */
export function cedanaControllerSettings(
  engine: ResolvedCedanaEngine,
  install: ResolvedInstall,
  { maxPerNode, namespaces, timeoutSeconds, waitSeconds }: CheckpointsOf,
): v.InferOutput<typeof cedanaControllerSchema> {
  const { checkpoints, kind, manager } = engine;
  const host = `${cedanaNames(engine, install).managerService}.${install.namespace}`;
  return {
    namespaces,
    maxPerNode,
    waitSeconds,
    locations: checkpoints.locations,
    engine: kind,
    manager: { url: `http://${host}:${manager.service.port}`, root: checkpoints.root, timeoutSeconds },
  };
}

/** Returns the sections of the platform file that depend on the engine. */
export function cedanaTemplate({ aws, bucket, clusterId, gpu, region, url }: TemplateValues): Template {
  const location = aws
    ? `  checkpointDir: s3://${bucket}/checkpoints
  awsRegion: ${region}`
    : `  checkpointDir: cedana://checkpoints`;
  const keys = aws
    ? `
    awsAccessKeyId: { name: cedana-secrets, key: aws-access-key-id }
    awsSecretAccessKey: { name: cedana-secrets, key: aws-secret-access-key }`
    : "";
  return {
    storage: `# The S3 bucket of checkpoints, encrypted with a separate KMS key.
storage:
  bucket: ${yamlText(bucket)} # change: bucket names are globally unique
  expireDays: 30
  staticKeyUser: true # Cedana's s3 plugin supports only static access keys; create the key yourself
`,
    engine: `# The engine that takes and restores checkpoints. Secrets are references; create the Secret yourself:
#   kubectl -n cedana-system create secret generic cedana-secrets --from-file=auth-token=<file>
engine:
  kind: cedana
  clusterId: ${clusterId} # change to the id on the Cedana platform
  url: ${url}
${location}
  gpu: ${gpu ? "interception" : "none"}
  secrets:
    authToken: { name: cedana-secrets, key: auth-token }${keys}
`,
    install: `# How the engine is installed. Resources, tolerations and others have defaults; see docs/cedana-yaml.md.
install:
  namespace: cedana-system
  # This toolkit's controller removes the startup taint from nodes instead of Cedana's manager, and reconciles Checkpoint
  # objects. Its image is not published; docs/kubernetes/controller.md describes how to build it.
  # controller:
  #   image: { repository: registry.example.com/cedana-controller, tag: 0.1.0 }
`,
  };
}

export const CEDANA: EngineDefinition<typeof cedanaEngineSchema, typeof cedanaControllerSchema> = {
  schema: cedanaEngineSchema,
  restoresBy: "runtimeClass",
  runtimeHandler: v.parse(runtimeHandlerSchema, {}) || undefined,
  readsMemory: false,
  needsController: false,
  check: checkCedanaEngine,
  checkInstall: checkCedanaInstall,
  capabilities,
  platform: ({ url, clusterId, checkpoints, secrets: { authToken } }) => ({
    url,
    clusterId,
    root: checkpoints.root,
    token: authToken,
  }),
  controller: { schema: cedanaControllerSchema, settings: cedanaControllerSettings },
  features: { text: renderFeatureTable, json: featureTableJson },
  template: cedanaTemplate,
};

function capabilities(engine: ResolvedCedanaEngine, install: ResolvedInstall): EngineCapabilities {
  const { awsRegion, checkpointDir, runtimeClass } = engine;
  return {
    storage: {
      in: "path",
      property: ["checkpointDir"],
      location: checkpointDir,
      region: { property: ["awsRegion"], name: awsRegion },
    },
    manager: { removesTaint: removesTaint(engine, install) },
    ...(runtimeClass && { runtimeClassHandler: runtimeClass.handler }),
    secrets: secrets(engine, install),
  };
}

function secrets(
  { secrets: references }: ResolvedCedanaEngine,
  { namespace }: ResolvedInstall,
): RequiredSecret[] {
  const keys = new Map<string, string[]>();
  for (const reference of Object.values(references)) {
    if (reference) keys.set(reference.name, [...(keys.get(reference.name) ?? []), reference.key]);
  }
  return [...keys].map(([name, keysOfSecret]) => ({ namespace, name, keys: keysOfSecret }));
}
