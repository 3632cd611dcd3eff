import type { Objects } from "../cache/store";
import type { Client } from "../client/client";
import { hasStatus } from "../client/errors";
import type { Logger } from "../log";
import type { Metrics } from "../metrics";
import { after, bundleOf, issue, nextStep, type Held } from "./certificate";
import {
  CERTIFICATE_SECRET,
  WEBHOOK_CONFIGURATION,
  bundlePatch,
  secretData,
  type CertificateSecret,
  type WebhookConfiguration,
} from "./objects";
import type { Cache } from "../cache/cache";
import { controller, type Controller, type ControllerOptions } from "../controller/controller";
import type { Webhook } from "./server";

export interface CertificateSettings {
  /** Namespace and name of the Secret with the certificate. */
  readonly namespace: string;
  readonly secret: string;
  /** Name of the MutatingWebhookConfiguration. */
  readonly configuration: string;
  /** Names of the webhook's Service. */
  readonly dnsNames: readonly string[];
  /** Start of the authority's name. */
  readonly authorityName: string;
}

export interface RotatorOptions {
  readonly settings: CertificateSettings;
  /** Writes only while this process leads. */
  readonly client: Client;
  readonly secrets: Pick<Objects<CertificateSecret>, "get">;
  readonly configurations: Pick<Objects<WebhookConfiguration>, "get">;
  readonly log: Logger;
}

/** Longest time between two reconciles. */
const AGAIN_MS = 3_600_000;
/** How long the watch may take to deliver a Secret that was written here. */
const SEEN_MS = 10_000;

/** Issues and renews the webhook's certificate, and adds its authority to the webhook's configuration. Runs on the leader. */
export class CertificateRotator {
  /** Version of the Secret before the last write: while the cache has it, that write is not delivered. */
  private written?: { readonly over: string | undefined; readonly atMs: number };

  constructor(private readonly options: RotatorOptions) {}

  /** Takes one step. The watches report what it wrote, and the next step follows. */
  async reconcile(): Promise<{ readonly requeueAfterMs: number }> {
    const { settings, secrets, configurations } = this.options;
    const secret = secrets.get(`${settings.namespace}/${settings.secret}`);
    const configuration = configurations.get(settings.configuration);
    const now = Date.now();
    if (!this.seesItsWrite(secret, now)) return { requeueAfterMs: SEEN_MS };
    const held = secret?.held ?? {};
    const bundle = configuration?.webhooks.map((one) => one.bundle) ?? [];
    // A certificate is served only if all bundles trust its authority.
    const step = nextStep(held, common(bundle), settings.dnsNames, now);
    if (step.do === "wait") {
      await this.trust(configuration, bundleOf(held, now));
      return { requeueAfterMs: Math.min(step.ms, AGAIN_MS) };
    }
    const issued =
      step.do === "promote" ? undefined : await issue(settings.dnsNames, now, settings.authorityName);
    const next = after(step.do, held, issued);
    // The API server must trust a certificate before it is served.
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
    const data = secretData(held);
    if (!secret) {
      const metadata = { name: settings.secret, namespace: settings.namespace };
      await client.create(CERTIFICATE_SECRET, { metadata, type: "kubernetes.io/tls", data });
      return;
    }
    const { resourceVersion } = secret.metadata;
    await client.jsonPatch(CERTIFICATE_SECRET, secret.metadata, [
      { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
      { op: "add", path: "/data", value: data },
    ]);
  }

  private async trust(configuration: WebhookConfiguration | undefined, bundle: string): Promise<void> {
    if (!configuration) return;
    const patch = bundlePatch(configuration, bundle);
    if (patch.length === 0) return;
    try {
      await this.options.client.jsonPatch(WEBHOOK_CONFIGURATION, configuration.metadata, patch);
    } catch (error) {
      // Deleted, or webhooks in another order: the watch reports the change.
      if (!hasStatus(error, 404, 422)) throw error;
    }
  }
}

/** Returns the certificates that all bundles have. */
function common(bundles: readonly string[]): string {
  const [first = "", ...rest] = bundles;
  const certificates = first.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return certificates.filter((one) => rest.every((bundle) => bundle.includes(one))).join("\n");
}

export interface CertificateControllerOptions extends ControllerOptions {
  /** Of the controller. */
  readonly name: string;
  readonly settings: CertificateSettings;
  /** Whether the certificate is rotated here; another controller fills the Secret otherwise. */
  readonly rotate: boolean;
  readonly server: Pick<Webhook, "use" | "validity">;
  readonly cache: Cache;
  /** Writes only while this process leads. */
  readonly client: Client;
}

/** Loads the certificate into the server on every replica. @returns the controller that rotates it, if any */
export function certificateControllers(options: CertificateControllerOptions): readonly Controller[] {
  const { name, settings, rotate, server, cache, client, log } = options;
  // One object each, because the permissions are limited to these names.
  const secrets = cache.objects(CERTIFICATE_SECRET, {
    namespaces: [settings.namespace],
    fieldSelector: `metadata.name=${settings.secret}`,
  });
  secrets.onChange(({ new: secret }) => {
    if (secret?.held.current) server.use(secret.held.current);
  });
  measureValidity(server, options.metrics);
  if (!rotate) return [];
  const configurations = cache.objects(WEBHOOK_CONFIGURATION, {
    fieldSelector: `metadata.name=${settings.configuration}`,
  });
  const rotator = new CertificateRotator({ settings, client, secrets, configurations, log });
  const key = "certificate";
  return [
    controller(name, options)
      .starts(key)
      .watches(secrets, () => [key])
      .watches(configurations, () => [key])
      .reconcile(() => rotator.reconcile()),
  ];
}

/** Adds metrics of the certificate that this replica serves: seconds since the epoch; 0 while it serves none. */
function measureValidity(server: Pick<Webhook, "validity">, metrics: Metrics): void {
  metrics.gauge(
    "cedana_webhook_certificate_not_before_timestamp_seconds",
    "Time from which the certificate of the webhook is valid, in seconds since the epoch; 0 without one",
    [],
    (gauge) => gauge.set((server.validity?.notBeforeMs ?? 0) / 1000),
  );
  metrics.gauge(
    "cedana_webhook_certificate_not_after_timestamp_seconds",
    "Time at which the certificate of the webhook expires, in seconds since the epoch; 0 without one",
    [],
    (gauge) => gauge.set((server.validity?.notAfterMs ?? 0) / 1000),
  );
}
