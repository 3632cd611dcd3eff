import { config } from "../package.json";

/** Version of this package. */
export const VERSION: string = config.version;
