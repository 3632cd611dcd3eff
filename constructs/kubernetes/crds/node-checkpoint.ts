import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import {
  AUTOMATION_GROUP,
  NODE_CHECKPOINT,
  NODE_CHECKPOINT_CRD,
  nodeCheckpointSchema,
} from "../../../api/checkpoint";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";

/** The kind `NodeCheckpoint` (automation.cedana.ai/v1alpha1): what the controller asks the agent of a node for. */
export class NodeCheckpointCrd extends Construct {
  readonly definition: ApiObject;

  constructor(scope: Construct, id: string, props: InstallProps = {}) {
    super(scope, id);
    const install = installOf(this, props);
    const { kind, plural } = NODE_CHECKPOINT;
    this.definition = object(this, "nodecheckpoints", {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: metadata(install, { name: NODE_CHECKPOINT_CRD }),
      spec: {
        group: AUTOMATION_GROUP,
        names: { kind, listKind: `${kind}List`, plural, singular: "nodecheckpoint" },
        scope: "Namespaced",
        versions: [
          {
            name: "v1alpha1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: nodeCheckpointSchema },
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
  { name: "Node", type: "string", jsonPath: ".spec.nodeName" },
  { name: "Namespace", type: "string", jsonPath: ".spec.podRef.namespace" },
  { name: "Pod", type: "string", jsonPath: ".spec.podRef.name" },
  { name: "Container", type: "string", jsonPath: ".spec.containerName" },
  { name: "Ready", type: "string", jsonPath: ready("status") },
  { name: "Reason", type: "string", jsonPath: ready("reason") },
  { name: "Size", type: "integer", format: "int64", jsonPath: ".status.sizeBytes", description: "In bytes." },
  { name: "Image", type: "string", jsonPath: ".status.image", priority: 1 },
  { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
];
