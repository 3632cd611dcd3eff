import { main } from "../../cli/main";

/** Output and exit code of a command. */
export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the CLI in this process, in a directory, with the environment `env` only. */
export async function runCli(
  args: readonly string[],
  { folder, env = {} }: { readonly folder: string; readonly env?: NodeJS.ProcessEnv },
): Promise<Result> {
  const before = { folder: process.cwd(), env: process.env };
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    jest.spyOn(process[name], "write").mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  try {
    process.chdir(folder);
    process.env = env;
    await main(args);
    return { status: Number(process.exitCode ?? 0), ...written };
  } finally {
    process.exitCode = undefined;
    process.env = before.env;
    process.chdir(before.folder);
    for (const spy of spies) spy.mockRestore();
  }
}
