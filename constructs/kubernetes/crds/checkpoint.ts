import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import { AUTOMATION_GROUP, CHECKPOINT_CRD, checkpointSchema } from "../../../api/checkpoint";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

/** The kind `Checkpoint` (automation.cedana.ai/v1alpha1): a checkpoint of a pod as an object of the cluster. */
export class CheckpointCrd extends Construct {
  readonly definition: ApiObject;

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    this.definition = object(this, "checkpoints", {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: metadata(install, { name: CHECKPOINT_CRD }),
      spec: {
        group: AUTOMATION_GROUP,
        names: {
          kind: "Checkpoint",
          listKind: "CheckpointList",
          plural: "checkpoints",
          singular: "checkpoint",
          shortNames: ["ckpt"],
        },
        scope: "Namespaced",
        versions: [
          {
            name: "v1alpha1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: checkpointSchema },
            subresources: { status: {} },
            additionalPrinterColumns: COLUMNS,
          },
        ],
      },
    });
  }
}

const ready = (field: string) => `.status.conditions[?(@.type=="Ready")].${field}`;

const COLUMNS = [
  { name: "Pod", type: "string", jsonPath: ".spec.podRef.name" },
  { name: "Engine", type: "string", jsonPath: ".status.engine" },
  { name: "Ready", type: "string", jsonPath: ready("status") },
  { name: "Reason", type: "string", jsonPath: ready("reason") },
  { name: "Size", type: "integer", format: "int64", jsonPath: ".status.sizeBytes", description: "In bytes." },
  {
    name: "Duration",
    type: "integer",
    format: "int64",
    jsonPath: ".status.durationMilliseconds",
    description: "In milliseconds.",
  },
  { name: "Restore", type: "string", jsonPath: ".status.restore.state" },
  { name: "Node", type: "string", jsonPath: ".status.nodeName", priority: 1 },
  { name: "Pinned", type: "boolean", jsonPath: ".spec.pinned", priority: 1 },
  { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
];
