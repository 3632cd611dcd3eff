/** The string formats that several parts of the toolkit share. Patterns are those of the services themselves. */
import { pattern } from "./rule";

/** Amazon Resource Name of any service, in any partition. */
export const arn = pattern(/^arn:aws[a-zA-Z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12}|aws)?:.+$/, {
  code: "not-an-arn",
  message: "is not an ARN",
  allowed: "arn:<partition>:<service>:<region>:<account>:<resource>",
});

/** Name of an EKS cluster (EKS API, CreateCluster: at most 100 characters). */
export const clusterName = pattern(/^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$/, {
  code: "not-a-cluster-name",
  message: "is not a name that EKS allows",
  allowed: "up to 100 letters, digits, - and _, beginning with a letter or digit",
});

/** RFC 1123 label, the rule for most Kubernetes object names that become DNS names. */
export const dnsLabel = pattern(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, {
  code: "not-a-dns-label",
  message: "is not a name that Kubernetes allows",
  allowed: "up to 63 lower-case letters, digits and -, beginning and ending with a letter or digit",
});

/** RFC 1123 subdomain: names of Secrets, ConfigMaps, ServiceAccounts and the like. */
export const dnsSubdomain = pattern(
  /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
  {
    code: "not-a-dns-subdomain",
    message: "is not a name that Kubernetes allows",
    allowed:
      "up to 253 lower-case letters, digits, - and ., each part beginning and ending with a letter or digit",
  },
);

/** AWS region name, for instance eu-west-1. */
export const region = pattern(/^(?!us-iso|eu-iso)[a-z]{2,3}(-[a-z]+)+-\d$/, {
  code: "not-a-region",
  message: "is not the name of an AWS region that this toolkit knows",
  allowed: "a name such as eu-west-1, of the partitions aws, aws-cn or aws-us-gov",
});

/** Pattern of a TCP port. */
export const PORT = "(?:[1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])";

// Path of a repository: from the distribution specification of OCI, 1.1. A host has a dot or a port, or is localhost.
const REPOSITORY_PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REGISTRY_NAME = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const REGISTRY_HOST = `(?:(?:localhost|${REGISTRY_NAME}(?:\\.${REGISTRY_NAME})+)(?::${PORT})?|${REGISTRY_NAME}:${PORT})`;

/** Where images go: host and repository of a registry, without tag and digest. */
export const registryRepository = pattern(
  new RegExp(`^(?=.{1,254}$)${REGISTRY_HOST}/${REPOSITORY_PART}(?:/${REPOSITORY_PART})*$`),
  {
    code: "not-a-repository",
    message: "is not a repository of a registry",
    allowed:
      "<host>[:<port>]/<path> in lower case, without tag and digest, such as registry.example.com/checkpoints",
  },
);

const LABEL_NAME = "([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)";

/** Key of a Kubernetes label, taint or annotation: an optional DNS prefix and a name. */
export const labelKey = pattern(
  new RegExp(
    `^((?=.{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?${LABEL_NAME}$`,
  ),
  {
    code: "not-a-label-key",
    message: "is not a key that Kubernetes allows",
    allowed: "[prefix/]name: a DNS prefix, then up to 63 letters, digits, -, _ and .",
  },
);

/** Value of a Kubernetes label or taint; may be empty. */
export const labelValue = pattern(new RegExp(`^${LABEL_NAME}?$`), {
  code: "not-a-label-value",
  message: "is not a value that Kubernetes allows",
  allowed: "up to 63 letters, digits, -, _ and ., beginning and ending with a letter or digit, or empty",
});

/** Matches an absolute path without `.`, `..` and empty parts, except the root directory. */
export const directory = pattern(/^(\/(?!\.{1,2}(\/|$))[^\s/]+)+$/, {
  code: "not-a-directory",
  message: "is not the path of a directory",
  allowed: "an absolute path such as /mnt/checkpoints, without . and .., and without / at its end",
});
