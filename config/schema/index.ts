/** Defines, checks, defaults and documents all inputs. */
export { derived, described, integer, pattern, rule, titled, type Rule, isToken } from "./rule";
export {
  PORT,
  arn,
  clusterName,
  directory,
  dnsLabel,
  dnsSubdomain,
  httpsUrl,
  labelKey,
  labelValue,
  region,
  registryRepository,
} from "./formats";
export { check, nearest, resolve, type Checked, type CrossCheck } from "./issues";
export { isMapping, oneOf, mapping, shape, existingOrNew } from "./shape";
export {
  InvalidInputError,
  type Problem,
  type PropertyPath,
  formatPath,
  formatProblem,
  printable,
  throwIfAny,
  under,
  SECRET_SHAPES,
  maskSecrets,
} from "./problem";
export { duration, parseDuration, parseQuantity, quantity, quantityBytes } from "./quantity";
