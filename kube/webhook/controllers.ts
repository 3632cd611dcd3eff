import type { Cache } from "../cache/cache";
import { controller, type Controller, type ControllerOptions } from "../controller/controller";
import type { Client } from "../client/client";
import { WEBHOOK_CONFIGURATION } from "./configuration";
import { CertificateRotator, type CertificateSettings } from "./rotator";
import { CERTIFICATE_SECRET } from "./secret";
import type { WebhookServer } from "./server";

export interface CertificateControllerOptions extends ControllerOptions {
  /** Of the controller. */
  readonly name: string;
  readonly settings: CertificateSettings;
  /** Whether the certificate is rotated here; another controller fills the Secret otherwise. */
  readonly rotate: boolean;
  readonly server: Pick<WebhookServer, "use">;
  readonly cache: Cache;
  /** Writes only while this process leads. */
  readonly client: Client;
}

/** Loads the certificate into the server on every replica. @returns the controller that rotates it, if any */
export function certificateControllers(options: CertificateControllerOptions): readonly Controller[] {
  const { name, settings, rotate, server, cache, client, log } = options;
  // Of one object each: permissions by name allow no more.
  const secrets = cache.objects(CERTIFICATE_SECRET, {
    namespaces: [settings.namespace],
    fieldSelector: `metadata.name=${settings.secret}`,
  });
  secrets.onChange(({ new: secret }) => {
    if (secret?.held.current) server.use(secret.held.current);
  });
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
