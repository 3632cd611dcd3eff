/** Helpers of several constructs. Not part of the public API. */
export { addDependency } from "./depend";
export { kmsKey } from "./kms-key";
export { policyDocument, serviceTrust } from "./policy";
