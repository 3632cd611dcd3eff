// Nodes and storage of the cedana engine for an existing cluster and bucket. Terraform looks up missing values when it plans.
import { App } from "cdktf";
import { PlatformStack } from "cedana-cdk/stacks/aws";

const app = new App();

new PlatformStack(app, "checkpointing", {
  existingCluster: {
    name: "production",
    version: "1.35",
    region: "us-east-1",
    subnetIds: ["subnet-0a1b2c3d4e5f60718", "subnet-0b1b2c3d4e5f60718"],
  },
  nodeGroups: [
    {
      name: "checkpointing",
      engine: "cedana",
      instanceTypes: ["r7i.4xlarge"],
      scaling: { min: 0, max: 20 },
    },
  ],
  storage: {
    existingBucket: "production-checkpoints",
    kmsKeyArn: "arn:aws:kms:us-east-1:123456789012:key/5f0a9d0e-7f4b-4f62-9d43-0f4f6d3f1a11",
    writers: [{ namespace: "cedana-system", serviceAccount: "cedana-uploader" }],
    // Cedana's s3 storage plugin requires an access key. Creates its IAM user, but not the key.
    staticKeyUser: true,
  },
});

app.synth();
