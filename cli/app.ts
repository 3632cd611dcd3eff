import { CommandError } from "./exit";
import { loadPlatform, type LoadedPlatform } from "./platform-file";
import { DEFAULT_FILE } from "./shell";

/** Runs an app of cdktf or cdk8s on the platform file; problems of the file go to stderr, exit code 2. */
export function runApp(app: (loaded: LoadedPlatform) => void): void {
  try {
    app(loadPlatform(process.env["CEDANA_YAML"] ?? DEFAULT_FILE));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}
