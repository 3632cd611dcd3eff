/** What several constructs share. Not part of the package's interface. */
export { addDependency } from "./depend";
export { kmsKey } from "./kms-key";
export { policyDocument, serviceTrust } from "./policy";
