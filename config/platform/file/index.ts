/**
 * cedana.yaml: its reader, and the schema and checks of the platform in it. A separate folder, because stacks check
 * platforms without loading the YAML parser.
 * @module cedana-cdk/platform
 */
export * from "..";
export { formatLocated, readPlatform, type LocatedProblem, type PlatformFile } from "./read";
