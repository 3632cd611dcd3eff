import type { PlatformSpec } from "../../config/platform";

/**
 * The AWS side of a platform: the areas of cedana.yaml, as data. Needs `cluster` (to create one) or `existingCluster`; every
 * other area is optional. Give `engine` and `install` if CedanaChart installs them: node groups are then made for that
 * engine, and its agents get access to the image repository.
 */
export type PlatformStackProps = Omit<PlatformSpec, "version" | "output">;
