import { yamlText } from "../../yaml-text";
import type { Template, TemplateValues } from "../engine";

/** Returns the engine's parts of the platform file that `init` writes. */
export function cedanaTemplate({ aws, bucket, clusterId, gpu, region, url }: TemplateValues): Template {
  const place = aws
    ? `  checkpointDir: s3://${bucket}/checkpoints
  awsRegion: ${region}`
    : `  checkpointDir: cedana://checkpoints`;
  const keys = aws
    ? `
    awsAccessKeyId: { name: cedana-secrets, key: aws-access-key-id }
    awsSecretAccessKey: { name: cedana-secrets, key: aws-secret-access-key }`
    : "";
  return {
    storage: `# The S3 bucket of checkpoints, encrypted with a separate key.
storage:
  bucket: ${yamlText(bucket)} # change: bucket names are globally unique
  expireDays: 30
  staticKeyUser: true # Cedana's s3 plugin supports only static keys; the key itself is not created here
`,
    engine: `# The engine that takes and restores checkpoints. Secrets are references; create the Secret yourself:
#   kubectl -n cedana-system create secret generic cedana-secrets --from-file=auth-token=<file>
engine:
  kind: cedana
  clusterId: ${clusterId} # change to the id on the Cedana platform
  url: ${url}
${place}
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
