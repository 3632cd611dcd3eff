import * as v from "../schema/valibot";
import { KUBERNETES_MINORS, compareVersions } from "../nodes";
import { rule } from "../schema";

const [OLDEST] = KUBERNETES_MINORS;
const allowed = `${OLDEST} to ${KUBERNETES_MINORS.at(-1)}, in quotes, without a patch number`;

const isEnded = (version: string) => /^1\.\d+$/.test(version) && compareVersions(version, OLDEST) < 0;

/** @param remedy what to do about a version that EKS no longer supports */
function supported(remedy: string) {
  return v.pipe(
    v.string(),
    rule<string>({
      code: "unsupported-version",
      test: (version) => !isEnded(version),
      message: "is a Kubernetes version that EKS no longer supports",
      allowed,
      remedy,
    }),
    rule<string>({
      code: "unsupported-version",
      test: (version) => KUBERNETES_MINORS.includes(version) || isEnded(version),
      message: "is not a supported Kubernetes version",
      allowed,
      jsonSchema: { pattern: `^(${KUBERNETES_MINORS.map((minor) => minor.replace(".", "\\.")).join("|")})$` },
    }),
  );
}

/** Minor of a cluster to create. */
export const newClusterVersion = supported("choose a newer version: EKS creates no cluster of this one");

/** Minor of a cluster that exists. EKS upgrades its control plane some time after the end of support, but not its nodes. */
export const existingClusterVersion = supported(
  "upgrade the cluster (aws eks update-cluster-version), then write its new version: EKS publishes no node image for this one",
);
