import type { PolicySpec } from "../../api";
import { derived, described, dnsLabel, httpsUrl, pattern, rule, shape } from "../schema";
import { printable, type Problem } from "../schema/problem";
import * as v from "../schema/valibot";
import { secretRef } from "../secret";

/** Maximum number of destinations of an install. Each has its own queue. */
const MAX_DESTINATIONS = 20;

const url = v.pipe(
  httpsUrl(true),
  rule<string>({
    code: "refused-address",
    test: (text) =>
      !/^https:\/\/(?:localhost[:/]|localhost$|127\.|0\.|169\.254\.|\[(?:::|fe[89ab]|ff))/i.test(text),
    message: "is an address of the node itself or its metadata, which the controller refuses",
    allowed: "a host with a private or public address",
  }),
);

/** Matches the certificates of authorities. A text with a private key does not match. */
const certificates = pattern(
  /^\s*(?:-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/,
  {
    code: "invalid-certificates",
    message: "is not a list of certificates",
    allowed: "one or more certificates as PEM, without a private key",
    secret: true,
  },
);

/** Describes a destination of notifications. */
export const destinationSchema = shape({
  name: described(dnsLabel, "Name by which policies refer to it."),
  url: described(
    url,
    "URL of the receiver: HTTPS. Redirects are not followed. Not a secret: it is stored in a ConfigMap.",
  ),
  secret: described(
    secretRef,
    "Key in a Secret in the namespace of the install, with the key of signatures: whsec_ and 24 to 64 bytes as base64. With several keys, one per line, a request has a signature by each.",
  ),
  caBundle: described(
    derived(certificates, "the authorities of Node"),
    "Certificates of authorities as PEM, one of which must have signed the receiver's certificate.",
  ),
});

/** Describes the action `notify`. */
export const policyNotifySchema = shape({
  destinations: described(
    v.optional(v.pipe(v.array(destinationSchema), v.maxLength(MAX_DESTINATIONS)), []),
    "Receivers of notifications. Policies can name only these.",
  ),
});

export type PolicyNotifyOf = v.InferOutput<typeof policyNotifySchema>;
/** A destination of notifications. */
export type NotifyDestination = v.InferOutput<typeof destinationSchema>;

/** Returns the TCP port of a destination. */
export function portOf({ url: text }: Pick<NotifyDestination, "url">): number {
  const [, port = "443"] = /^https:\/\/(?:\[[^\]]*\]|[^/:]*):(\d+)/.exec(text) ?? [];
  return Number(port);
}

/** Checks the destinations of an install. Paths begin with a property of `policies`. */
export function checkNotify({ destinations }: PolicyNotifyOf, isEnabled: boolean): Problem[] {
  const path = ["notify", "destinations"];
  return [
    ...(destinations.length > 0 && !isEnabled
      ? [
          {
            code: "notify-not-enabled",
            path,
            message: "has no effect: the install does not enable the action notify",
            remedy: "add notify to install.policies.actions",
          },
        ]
      : []),
    ...destinations.flatMap(({ name }, index): Problem[] =>
      destinations.slice(0, index).every((earlier) => earlier.name !== name)
        ? []
        : [
            {
              code: "duplicate-name",
              path: [...path, index, "name"],
              message: "is the name of an earlier destination",
              given: printable(name),
            },
          ],
    ),
  ];
}

/** Checks that the install has the destination of a policy. Paths begin with a field of `spec`. */
export function checkDestination(
  { action }: Pick<PolicySpec, "action">,
  { destinations }: PolicyNotifyOf,
): Problem[] {
  const name = action.notify?.destination;
  if (name === undefined || destinations.some((one) => one.name === name)) return [];
  return [
    {
      code: "destination-not-listed",
      path: ["action", "notify", "destination"],
      message: "is not a destination of the install",
      given: printable(name),
      allowed:
        destinations.length === 0 ? "none: only events" : destinations.map((one) => one.name).join(", "),
      remedy: "add it to install.policies.notify.destinations",
    },
  ];
}
