import { X509Certificate } from "node:crypto";
import type { Logger } from "../log";

/** When a certificate is valid, ms since the epoch. */
export interface CertificateTimes {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A certificate with its key, as PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** The certificate that a server serves with, or why it has none. */
export class ServedCertificate {
  private current?: CertificatePair;
  private times?: CertificateTimes;
  private error?: string;

  constructor(private readonly log: Pick<Logger, "error">) {}

  get pair(): CertificatePair | undefined {
    return this.current;
  }

  get validity(): CertificateTimes | undefined {
    return this.times;
  }

  /** Why there is none; undefined if there is one. */
  get failure(): string | undefined {
    return this.error ?? (this.current === undefined ? "the webhook has no certificate yet" : undefined);
  }

  /**
   * Loads a certificate, unless it is loaded. One that cannot be loaded is logged, and the one before stays in use.
   * @param load throws if it is invalid
   * @returns whether it was loaded
   */
  use(pair: CertificatePair, load: (pair: CertificatePair) => void): boolean {
    if (pair.cert === this.current?.cert) return false;
    try {
      load(pair);
      const { validFrom, validTo } = new X509Certificate(pair.cert);
      this.times = { notBeforeMs: Date.parse(validFrom), notAfterMs: Date.parse(validTo) };
      this.current = pair;
      this.error = undefined;
      return true;
    } catch (error) {
      if (this.current === undefined) this.error = `the certificate cannot be loaded: ${String(error)}`;
      this.log.error({ err: error }, "webhook: certificate not loaded");
      return false;
    }
  }
}
