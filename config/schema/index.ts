/** The one way in which inputs are defined, checked, defaulted and documented. */
export { check, resolve, type Checked, type CrossCheck } from "./check";
export {
  PORT,
  arn,
  clusterName,
  directory,
  dnsLabel,
  dnsSubdomain,
  labelKey,
  labelValue,
  region,
  registryRepository,
} from "./formats";
export { nearest } from "./nearest";
export { oneOf } from "./one-of";
export { derived, described, integer, pattern, rule, titled, type Rule } from "./rule";
export { shape } from "./shape";
export { givenOrNew } from "./existing-or-new";
export {
  InvalidInputError,
  type Problem,
  type PropertyPath,
  formatPath,
  formatProblem,
  printable,
  throwIfAny,
  under,
} from "./problem";
export { duration, parseDuration, parseQuantity, quantity, quantityBytes } from "./quantity";
export { SECRET_SHAPES, maskSecrets } from "./secret-shapes";
export { isToken } from "./token";
