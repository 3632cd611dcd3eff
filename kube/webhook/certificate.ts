import { X509Certificate, createPrivateKey, webcrypto } from "node:crypto";

/** A certificate of a webhook with its key and the authority that signed it, all as PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const DAY_MS = 86_400_000;
export const LIFETIME_MS = 90 * DAY_MS;
/** How far certificates are backdated, so that API servers with late clocks accept them. */
const BACKDATED_MS = 300_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/**
 * Issues a pair: P-256, valid for 90 days. The authority signs only this certificate and its key is discarded, so that it
 * cannot be stolen.
 * @param dnsNames names of the Service; the first one is the subject
 * @param authorityName start of the authority's name
 * @param lifetimeMs default: 90 days
 */
export async function issue(
  dnsNames: readonly string[],
  now: number,
  authorityName: string,
  lifetimeMs = LIFETIME_MS,
): Promise<Pair> {
  // Imported here, because the library is large.
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto as never);
  const { subtle } = webcrypto;
  const generate = () => subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const [authority, leaf] = await Promise.all([generate(), generate()]);
  const valid = { notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + lifetimeMs) };
  const name = `CN=${authorityName}-${Math.floor(now / 1000)}`;
  const { KeyUsageFlags } = x509;
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...valid,
    name,
    signingAlgorithm: ALGORITHM,
    keys: authority,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const cert = await x509.X509CertificateGenerator.create({
    ...valid,
    subject: `CN=${(dnsNames[0] ?? "").slice(0, 64)}`,
    issuer: name,
    signingAlgorithm: ALGORITHM,
    publicKey: leaf.publicKey,
    signingKey: authority.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(dnsNames.map((value) => ({ type: "dns", value }))),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const der = Buffer.from(await subtle.exportKey("pkcs8", leaf.privateKey)).toString("base64");
  const lines = der.match(/.{1,64}/g) ?? [];
  const key = ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----"].join("\n");
  return { cert: `${cert.toString("pem")}\n`, key: `${key}\n`, ca: `${ca.toString("pem")}\n` };
}

/** When a certificate was issued, and from when until when it is valid, ms since the epoch. */
export interface Validity {
  readonly issuedMs: number;
  /** Of the certificate and its authority, the later one. */
  readonly startsMs: number;
  /** Of the certificate and its authority, the earlier one. */
  readonly expiresMs: number;
}

/** Returns the validity of the pair; undefined unless its parts match and it is for all of the names. */
export function validityOf({ cert, key, ca }: Pair, dnsNames: readonly string[]): Validity | undefined {
  try {
    const leaf = new X509Certificate(cert);
    const authority = new X509Certificate(ca);
    const good =
      leaf.checkPrivateKey(createPrivateKey(key)) &&
      leaf.verify(authority.publicKey) &&
      dnsNames.every((name) => leaf.checkHost(name) !== undefined);
    const starts = [leaf, authority].map(({ validFrom }) => Date.parse(validFrom));
    const ends = [leaf, authority].map(({ validTo }) => Date.parse(validTo));
    const issuedMs = Date.parse(leaf.validFrom) + BACKDATED_MS;
    return good ? { issuedMs, startsMs: Math.max(...starts), expiresMs: Math.min(...ends) } : undefined;
  } catch {
    return undefined;
  }
}

/** Checks whether the certificate has not expired. */
export function isAlive(ca: string, now: number): boolean {
  try {
    return Date.parse(new X509Certificate(ca).validTo) > now;
  } catch {
    return false;
  }
}

/** Contents of the Secret, decoded. */
export interface Held {
  /** The pair that the webhook serves. */
  readonly current?: Pair;
  /** The pair that it will serve, once API servers trust its authority. */
  readonly next?: Pair;
  /** Authority of the previous pair, which a replica may still serve. */
  readonly previousCa?: string;
}

export type Step =
  /** The current pair is missing, not valid now, or for other names: issue a new one immediately. */
  | { readonly do: "issue" }
  /** The current pair is old: issue the next one. */
  | { readonly do: "prepare" }
  /** The next pair is trusted: it becomes the current one. */
  | { readonly do: "promote" }
  /** Wait for this time. */
  | { readonly do: "wait"; readonly ms: number };

/** A pair is renewed after this part of its validity: ours after 60 days. */
const RENEW_AFTER = 2 / 3;
/** Time until the next pair is served: all API servers have its authority by then. */
export const SETTLE_MS = 600_000;

/**
 * Returns the next step of the rotation.
 * @param bundle authorities that the API server trusts, as PEM
 * @param dnsNames of the webhook's Service
 */
export function nextStep(held: Held, bundle: string, dnsNames: readonly string[], now: number): Step {
  const current = held.current && validAt(held.current, dnsNames, now);
  if (!current) return { do: "issue" };
  const next = held.next && validAt(held.next, dnsNames, now);
  if (!next || !held.next) {
    const renewMs = current.issuedMs + (current.expiresMs - current.issuedMs) * RENEW_AFTER;
    return renewMs <= now ? { do: "prepare" } : { do: "wait", ms: renewMs - now };
  }
  const settledMs = next.issuedMs + SETTLE_MS;
  // The current pair may expire first: another one is then issued at once.
  if (now < settledMs) return { do: "wait", ms: Math.min(settledMs, current.expiresMs) - now };
  // A bundle without it is written first; the watch reports that.
  return bundle.includes(held.next.ca.trim()) ? { do: "promote" } : { do: "wait", ms: SETTLE_MS };
}

/** Returns the validity of a pair that a client with this time accepts; undefined for any other. */
function validAt(pair: Pair, dnsNames: readonly string[], now: number): Validity | undefined {
  const validity = validityOf(pair, dnsNames);
  return validity && validity.startsMs <= now && now < validity.expiresMs ? validity : undefined;
}

/** Returns the contents of the Secret after a step. */
export function after(step: "issue" | "prepare" | "promote", held: Held, issued: Pair | undefined): Held {
  const { current, next, previousCa } = held;
  const before = current === undefined ? previousCa : current.ca;
  const previous = before === undefined ? {} : { previousCa: before };
  if (step === "promote") return { ...(next ? { current: next } : {}), ...previous };
  if (step === "issue") return { ...(issued ? { current: issued } : {}), ...previous };
  return { ...held, ...(issued ? { next: issued } : {}) };
}

/** Returns the authorities that API servers must trust: of the current, next and previous pair. */
export function bundleOf({ current, next, previousCa }: Held, now: number): string {
  const all = [current?.ca, next?.ca, previousCa].filter((ca) => ca !== undefined && isAlive(ca, now));
  return [...new Set(all)].join("");
}
