import type { V1MutatingWebhookConfiguration, V1Service } from "@kubernetes/client-node";
import type { ApiObject } from "cdk8s";
import type { Construct } from "constructs";
import { namesOf, selectorLabels, servedNames, type ResolvedInstall } from "../../../config/install";
import { REQUEST, WEBHOOK_NAME, WEBHOOK_PATH } from "../../../api";
import { metadata, object, type Metadata } from "../object";
import { BY_KUBERNETES, mayRestore, namespaceSelector } from "./cel";

interface Settings {
  readonly namespaces: "all" | readonly string[];
  readonly failurePolicy: "Ignore" | "Fail";
  readonly certificates: "own" | "cert-manager";
}

/** Returns the Service through which API servers reach the Ready controllers. */
export function webhookService(scope: Construct, install: ResolvedInstall): ApiObject {
  const names = namesOf(install);
  return object<V1Service>(scope, "service", {
    apiVersion: "v1",
    kind: "Service",
    metadata: metadata(install, {
      name: names.restore,
      namespace: install.namespace,
      component: "controller",
    }),
    spec: {
      selector: selectorLabels(install, "controller"),
      ports: [{ name: "webhook", port: 443, targetPort: "webhook", protocol: "TCP" }],
    },
  });
}

/**
 * Returns the webhook. It is called when a pod with the annotation is created by a user who may restore. A policy rejects
 * other users anyway, but after the webhook, which would have claimed a Checkpoint. It is called again if another webhook
 * changes the pod later, for example adds a container.
 */
export function webhookConfiguration(
  scope: Construct,
  install: ResolvedInstall,
  { namespaces, failurePolicy, certificates }: Settings,
): ApiObject {
  const names = namesOf(install);
  const requested = `has(object.metadata.annotations) && '${REQUEST.from}' in object.metadata.annotations`;
  const permitted = `${BY_KUBERNETES} || ${mayRestore(`object.metadata.annotations['${REQUEST.from}']`)}`;
  return object<V1MutatingWebhookConfiguration>(scope, "webhook", {
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: metadata(install, {
      name: names.restore,
      component: "controller",
      ...(certificates === "own"
        ? {}
        : {
            annotations: {
              "cert-manager.io/inject-ca-from": `${install.namespace}/${names.restoreCertificate}`,
            },
          }),
    }),
    webhooks: [
      {
        name: WEBHOOK_NAME,
        admissionReviewVersions: ["v1"],
        clientConfig: {
          service: { name: names.restore, namespace: install.namespace, path: WEBHOOK_PATH, port: 443 },
        },
        rules: [
          {
            apiGroups: [""],
            apiVersions: ["v1"],
            resources: ["pods"],
            operations: ["CREATE"],
            scope: "Namespaced",
          },
        ],
        namespaceSelector: namespaceSelector(install, namespaces),
        matchConditions: [
          { name: "requests-restore", expression: requested },
          { name: "may-restore", expression: permitted },
        ],
        matchPolicy: "Equivalent",
        failurePolicy,
        sideEffects: "NoneOnDryRun",
        reinvocationPolicy: "IfNeeded",
        timeoutSeconds: 5,
      },
    ],
  });
}

interface Issuer {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: object;
}

/** Returns an Issuer and a self-signed Certificate of cert-manager. For the webhook, the API server trusts only this certificate. */
export function certManagerObjects(scope: Construct, install: ResolvedInstall): ApiObject[] {
  const names = namesOf(install);
  const about = metadata(install, {
    name: names.restoreCertificate,
    namespace: install.namespace,
    component: "controller",
  });
  const apiVersion = "cert-manager.io/v1";
  return [
    object<Issuer>(scope, "issuer", {
      apiVersion,
      kind: "Issuer",
      metadata: about,
      spec: { selfSigned: {} },
    }),
    object<Issuer>(scope, "certificate", {
      apiVersion,
      kind: "Certificate",
      metadata: about,
      spec: {
        secretName: names.restoreCertificate,
        dnsNames: servedNames(install),
        issuerRef: { kind: "Issuer", name: names.restoreCertificate },
        privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
      },
    }),
  ];
}
