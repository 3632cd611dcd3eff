import { ApiError, type KubernetesClient } from "../../../kube/client";
import type { RestoreSettings } from "../../../config/programs/controller";
import type { Logger, Store } from "../../../kube/runtime";
import { bundlePatch, type WebhookConfiguration } from "./configuration";
import { issue } from "./issue";
import { after, bundleOf, nextStep, type Held } from "./plan";
import { secretData, type CertificateSecret } from "./secret";

export interface KeeperOptions {
  readonly settings: Pick<RestoreSettings, "secret" | "configuration" | "dnsNames"> & {
    /** Of the Secret. */
    readonly namespace: string;
  };
  /** Writes only while this process leads. */
  readonly client: Pick<KubernetesClient, "send">;
  readonly secrets: Store<CertificateSecret>;
  readonly configurations: Store<WebhookConfiguration>;
  readonly log: Logger;
}

/** Looks again at least so often. */
const AGAIN_MS = 3_600_000;
/** So long a Secret that it wrote may take to be seen. */
const SEEN_MS = 10_000;

/** Keeps the webhook's certificate: issues it, renews it, and has the API server trust it. Of the leader. */
export class CertificateKeeper {
  /** The Secret as it was before the last write: as long as it is seen like that, that write is not seen. */
  private written?: { readonly over: string | undefined; readonly atMs: number };

  constructor(private readonly options: KeeperOptions) {}

  /** One step. The watches tell of what it wrote, and the next one follows. */
  async reconcile(): Promise<{ readonly requeueAfterMs: number }> {
    const { settings, secrets, configurations } = this.options;
    const secret = secrets.get(`${settings.namespace}/${settings.secret}`);
    const configuration = configurations.get(settings.configuration);
    const now = Date.now();
    if (!this.seesItsWrite(secret, now)) return { requeueAfterMs: SEEN_MS };
    const held = secret?.held ?? {};
    const bundle = configuration?.webhooks.map((one) => one.bundle) ?? [];
    // Who trusts least counts: one bundle that lacks an authority keeps it from being used.
    const step = nextStep(held, common(bundle), settings.dnsNames, now);
    if (step.do === "wait") {
      await this.trust(configuration, bundleOf(held, now));
      return { requeueAfterMs: Math.min(step.ms, AGAIN_MS) };
    }
    const issued = step.do === "promote" ? undefined : await issue(settings.dnsNames, now);
    const next = after(step.do, held, issued);
    // Before anything is served that it lacks.
    await this.trust(configuration, bundleOf(next, now));
    await this.store(secret, next);
    this.written = { over: secret?.metadata.resourceVersion, atMs: now };
    this.options.log.info({ step: step.do, secret: settings.secret }, "webhook certificate");
    return { requeueAfterMs: AGAIN_MS };
  }

  private seesItsWrite(secret: CertificateSecret | undefined, now: number): boolean {
    const { written } = this;
    return (
      written === undefined ||
      written.over !== secret?.metadata.resourceVersion ||
      now >= written.atMs + SEEN_MS
    );
  }

  private async store(secret: CertificateSecret | undefined, held: Held): Promise<void> {
    const { client, settings } = this.options;
    const path = `/api/v1/namespaces/${settings.namespace}/secrets`;
    const data = secretData(held);
    if (!secret) {
      const metadata = { name: settings.secret, namespace: settings.namespace };
      const content = { apiVersion: "v1", kind: "Secret", metadata, type: "kubernetes.io/tls", data };
      await client.send("POST", path, { type: "application/json", content });
      return;
    }
    const { uid, resourceVersion } = secret.metadata;
    const content = [
      { op: "test", path: "/metadata/uid", value: uid },
      { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
      { op: "add", path: "/data", value: data },
    ];
    await client.send("PATCH", `${path}/${settings.secret}`, {
      type: "application/json-patch+json",
      content,
    });
  }

  private async trust(configuration: WebhookConfiguration | undefined, bundle: string): Promise<void> {
    if (!configuration) return;
    const content = bundlePatch(configuration, bundle);
    if (content.length === 0) return;
    const { client, settings } = this.options;
    const path = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${settings.configuration}`;
    try {
      await client.send("PATCH", path, { type: "application/json-patch+json", content });
    } catch (error) {
      // Deleted, or webhooks in another order: the watch tells how it is now.
      if (!(error instanceof ApiError && [404, 422].includes(error.status))) throw error;
    }
  }
}

/** What all of the bundles have: certificates one after the other. */
function common(bundles: readonly string[]): string {
  const [first = "", ...rest] = bundles;
  const certificates = first.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return certificates.filter((one) => rest.every((bundle) => bundle.includes(one))).join("\n");
}
