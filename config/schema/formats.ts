/** String formats that several schemas share. The patterns are those of the services. */
import { pattern, rule } from "./rule";
import * as v from "./valibot";

/** Matches an Amazon Resource Name of any service in any partition. */
export const arn = pattern(/^arn:aws[a-zA-Z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|aws)?:.+$/, {
  code: "invalid-arn",
  message: "is not an ARN",
  allowed: "arn:<partition>:<service>:<region>:<account>:<resource>",
});

/** Matches the name of an EKS cluster (EKS API, CreateCluster: at most 100 characters). */
export const clusterName = pattern(/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/, {
  code: "invalid-cluster-name",
  message: "is not a valid EKS cluster name",
  allowed: "up to 100 letters, digits, - and _, beginning with a letter or digit",
});

/** Matches an RFC 1123 label, such as the name of a namespace. */
export const dnsLabel = pattern(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, {
  code: "invalid-dns-label",
  message: "is not a valid DNS label (RFC 1123)",
  allowed: "up to 63 lowercase letters, digits and -, beginning and ending with a letter or digit",
});

/** Matches an RFC 1123 subdomain, such as the name of a Secret, ConfigMap or ServiceAccount. */
export const dnsSubdomain = pattern(
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  {
    code: "invalid-dns-subdomain",
    message: "is not a valid DNS subdomain (RFC 1123)",
    allowed:
      "up to 253 lowercase letters, digits, - and ., each part beginning and ending with a letter or digit",
  },
);

/** Matches the name of an AWS region, such as eu-west-1. */
export const region = pattern(/^(?!us-iso|eu-iso)[a-z]{2,3}(-[a-z]+)+-\d$/, {
  code: "invalid-region",
  message: "is not an AWS region that this toolkit supports",
  allowed: "a region of the partitions aws, aws-cn or aws-us-gov, such as eu-west-1",
});

const HTTPS_URL = /^https:\/\/[^\s/?#]+(\/[^\s?#]*)?$/;

/**
 * Returns the schema of an https:// URL. A user or password is rejected, because it would be written to the output.
 * @param isSecret whether problems must not repeat the value, because a query can contain a token
 */
export function httpsUrl(isSecret = false): v.GenericSchema<string> {
  const secret = isSecret ? { secret: true } : {};
  return v.pipe(
    pattern(HTTPS_URL, {
      code: "invalid-https-url",
      message: "is not an https:// URL",
      allowed: "https://<host>[/<path>], without user, query or fragment",
      ...secret,
    }),
    rule<string>({
      code: "invalid-https-url",
      test: (value) => !HTTPS_URL.test(value) || value.includes("@") || URL.canParse(value),
      message: "has an invalid host or port",
      allowed: "https://<host>[:<port>][/<path>]",
      ...secret,
    }),
    rule<string>({
      code: "secret-in-plain-text",
      test: (value) => !value.includes("@"),
      message: "contains a user or password",
      allowed: "https://<host>[/<path>]",
      secret: true,
    }),
  );
}

/** Pattern of a TCP port. */
export const PORT = "(?:[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])";

// Grammar of a repository path: OCI distribution specification 1.1. A host has a dot or a port, or is localhost.
const REPOSITORY_PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REGISTRY_NAME = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const REGISTRY_HOST = `(?:(?:localhost|${REGISTRY_NAME}(?:\\.${REGISTRY_NAME})+)(?::${PORT})?|${REGISTRY_NAME}:${PORT})`;

/** Matches the repository of a registry, with host and path, without tag and digest. */
export const registryRepository = pattern(
  new RegExp(`^(?=.{1,254}$)${REGISTRY_HOST}/${REPOSITORY_PART}(?:/${REPOSITORY_PART})*$`),
  {
    code: "invalid-image-repository",
    message: "is not a repository with its registry host",
    allowed:
      "<host>[:<port>]/<path> in lowercase, without tag and digest, such as registry.example.com/checkpoints",
  },
);

const LABEL_NAME = "([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)";

/** Matches the key of a Kubernetes label, taint or annotation: an optional DNS prefix and a name. */
export const labelKey = pattern(
  new RegExp(
    `^((?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?${LABEL_NAME}$`,
  ),
  {
    code: "invalid-label-key",
    message: "is not a valid key of a label, taint or annotation",
    allowed: "[prefix/]name: a DNS prefix, then up to 63 letters, digits, -, _ and .",
  },
);

/** Matches the value of a Kubernetes label or taint. It may be empty. */
export const labelValue = pattern(new RegExp(`^${LABEL_NAME}?$`), {
  code: "invalid-label-value",
  message: "is not a valid value of a label or taint",
  allowed: "up to 63 letters, digits, -, _ and ., beginning and ending with a letter or digit, or empty",
});

/** Matches an absolute path without `.`, `..` and empty components, except the root directory. */
export const directory = pattern(/^(\/(?!\.{1,2}(\/|$))[^\s/]+)+$/, {
  code: "invalid-directory",
  message: "is not a valid path of a directory",
  allowed: "an absolute path such as /mnt/checkpoints, without . or .. components and without a trailing /",
});
