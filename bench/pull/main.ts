import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildService, startRegistry, startService } from "../../testbed/node/serve";
import { median } from "../controller/each";
import { serveTasks, type Done, type Task } from "./agent";
import { writeCheckpoint } from "./checkpoint";

/** Ticks of /proc/PID/stat in a second: USER_HZ of Linux. */
const TICKS = 100;

/** Seconds that a process used of a processor, those of all its threads. */
function processorSeconds({ pid }: ChildProcess): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

async function measure(directory: string, megabytes: number, rounds: number): Promise<string> {
  const program = join(directory, "serve");
  buildService(program);
  writeCheckpoint(join(directory, "checkpoints/cp"), "cp", megabytes);
  const blobs = join(directory, "registry");
  mkdirSync(blobs);
  const processes: Record<string, ChildProcess> = {};
  try {
    processes["service"] = await startService(program, directory);
    const registry = await startRegistry(blobs);
    processes["registry"] = registry.process;
    const agent = fork(__filename, ["agent", join(directory, "run/node.sock"), registry.host]);
    processes["agent"] = agent;
    const table = new Map<string, number[][]>();
    const timed = async (task: Task): Promise<Done> => {
      const before = Object.values(processes).map(processorSeconds);
      const begin = performance.now();
      agent.send(task);
      const [done] = (await once(agent, "message")) as [Done];
      if (done.error !== undefined) throw new Error(done.error);
      const used = Object.values(processes).map((each, nth) => processorSeconds(each) - before[nth]!);
      const row = [...used, used.reduce((a, b) => a + b), (performance.now() - begin) / 1000, loadavg()[0]!];
      table.set(task.do, [...(table.get(task.do) ?? []), row]);
      return done;
    };
    const { image } = await timed({ do: "push", uid: "cp" });
    for (let round = 0; round < rounds; round++) {
      await timed({ do: "pull", image: image!, podUID: `pod-${round}` });
      await timed({ do: "read", image: image!, podUID: `pod-${round}` });
      const staged = join(directory, "restore");
      for (const each of readdirSync(staged)) rmSync(join(staged, each), { recursive: true });
    }
    const rows = [...table].map(([name, all]) => {
      const cells = all[0]!.map((_, nth) => median(all.map((row) => row[nth]!)).toFixed(2));
      return `| ${[name, ...cells].join(" | ")} |`;
    });
    const head = ["", ...Object.keys(processes), "all", "wall", "load"];
    const rule = head.map((_, nth) => (nth === 0 ? "---" : "---:"));
    return [head, rule]
      .map((cells) => `| ${cells.join(" | ")} |`)
      .concat(rows)
      .join("\n");
  } finally {
    for (const each of Object.values(processes)) each.kill("SIGKILL");
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      megabytes: { type: "string", default: "1024" },
      rounds: { type: "string", default: "3" },
    },
  });
  const directory = mkdtempSync(join(tmpdir(), "bench-pull-"));
  try {
    const text = await measure(directory, Number(values.megabytes), Number(values.rounds));
    console.log(`${values.megabytes} MB, seconds of processor time, medians of the rounds:\n\n${text}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const [, , role, socket, registry] = process.argv;
if (role === "agent") serveTasks(socket!, registry!);
else
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
