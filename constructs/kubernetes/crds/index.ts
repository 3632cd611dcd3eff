import type { ApiObject } from "cdk8s";
import { Construct } from "constructs";
import type { Kind } from "../../../api";
import { installOf, type InstallProps } from "../input";
import { metadata, object } from "../object";
import { CRDS_COMPONENT } from "./guard";

export { CrdGuard, type CrdGuardProps } from "./guard";

/** Keeps the CRD, and with it all objects, if a tool uninstalls or no longer has it: Helm, Argo CD, Flux. */
const KEEP = {
  "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
  "helm.sh/resource-policy": "keep",
  "kustomize.toolkit.fluxcd.io/prune": "disabled",
};

export interface CrdProps extends InstallProps {
  /** A kind of `cedana-cdk/api`. */
  readonly kind: Kind;
}

/** The CustomResourceDefinition of a kind. Tools that uninstall keep it. */
export class Crd extends Construct {
  readonly definition: ApiObject;

  constructor(scope: Construct, id: string, props: CrdProps) {
    super(scope, id);
    const install = installOf(this, props);
    const { kind } = props;
    this.definition = object(this, kind.plural, {
      ...crd(kind),
      metadata: metadata(install, { name: kind.crdName, component: CRDS_COMPONENT, annotations: KEEP }),
    });
  }
}

/**
 * Returns the CustomResourceDefinition of a kind, without metadata. It has no type, because V1CustomResourceDefinition
 * has other names for some fields of a schema (`_enum`, `x_kubernetes_...`).
 */
function crd({ group, version, kind, plural, shortNames, scope, schema, columns, selectable }: Kind) {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames && { shortNames }),
      },
      scope,
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: schema },
          subresources: { status: {} },
          additionalPrinterColumns: columns,
          ...(selectable && { selectableFields: selectable.map((jsonPath) => ({ jsonPath })) }),
        },
      ],
    },
  };
}
