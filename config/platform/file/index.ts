/**
 * Reader of cedana.yaml, with the schema and checks of platforms. It is a separate directory, because stacks check
 * platforms without the YAML parser.
 * @module cedana-cdk/platform
 */
export * from "..";
export { formatLocated, readPlatform, type LocatedProblem, type PlatformFile } from "./read";
