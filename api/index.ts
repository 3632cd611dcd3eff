/**
 * The kinds of the API groups that this toolkit serves and reads, and the annotations of a restore.
 * @module cedana-cdk/api
 */
export * from "./checkpoint";
export * from "./restore";
