/** Admission policies of the install: their form, and expressions that they share. */
export { equalExcept, list, mapAt, mapBefore, optionalAt, text, unchanged } from "./cel";
export { identityRule, isAnyController, isProgram, sentBy } from "./identity";
export { admissionPolicy, type Policy, type Rule } from "./policy";
export { WORKLOADS, type Workload } from "./workloads";
