import { pattern } from "../schema";

/** Kubernetes minors that EKS has AL2023 images for and this toolkit knows (reviewed 2026-11). */
export const OLDEST_MINOR = 30;
export const NEWEST_MINOR = 36;

const minors = Array.from({ length: NEWEST_MINOR - OLDEST_MINOR + 1 }, (_, index) => OLDEST_MINOR + index);

export const kubernetesVersion = pattern(new RegExp(`^1\\.(${minors.join("|")})$`), {
  code: "unsupported-version",
  message: "is not a supported Kubernetes version",
  allowed: `1.${OLDEST_MINOR} to 1.${NEWEST_MINOR}, in quotes, without a patch number`,
});
