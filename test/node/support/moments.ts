/** Seeded moments at which a part of the node is killed, and the kill itself. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { NODE_PROGRAM } from "../../../config/nodes";
import { Random, SEED } from "../../../testbed/random";

/**
 * Operations whose moments are drawn: a checkpoint from its request to its response, a restore from the first staged byte until
 * all containers are restored, and the wrapper's part of a restore, from the plan until then.
 */
export type Operation = "checkpoint" | "restore" | "wrapper";

// A pattern begins with ^, so that it does not match the shell that has it as an argument.
const service = `pkill -KILL -f '^${NODE_PROGRAM} cedana-noded$'`;
const watchdog = "pkill -KILL -f '^/proc/self/exe cedana-noded watchdog'";
const wrapper = "pkill -KILL -f '^cedana-runc --root .* create'";
const runtime = "pkill -KILL -x runc";
const criu = "pkill -KILL -x criu";
const both = {
  criu,
  runc: runtime,
  service,
  // As systemd stops it for another version.
  "stopping service": service.replace("KILL", "TERM"),
  // containerd's shim of each pod.
  shim: "pgrep -f '^[^ ]*containerd-shim-runc-v2 .*-id' | grep -vx \"${KEEP}\" | xargs kill -KILL",
  containerd: "pkill -KILL -x containerd",
  kubelet: "pkill -KILL -x kubelet",
  // The client ends, as with an agent that is killed.
  agent: "",
};

/** Commands that kill each part that takes part in an operation. */
const PARTS: Readonly<Record<Operation, Readonly<Record<string, string>>>> = {
  checkpoint: {
    ...both,
    watchdog,
    "service and watchdog": `${watchdog}; ${service}`,
    "service, watchdog and runc": `${watchdog}; ${service}; ${runtime}`,
    "hanging service": service.replace("KILL", "STOP"),
  },
  restore: both,
  wrapper: {
    ...both,
    wrapper,
    "wrapper, runc and criu": `${wrapper}; ${runtime}; ${criu}`,
    "wrapper and containerd": `${wrapper}; ${both.containerd}`,
  },
};

/** Returns the shell command that kills a part which takes part in a restore. */
export const killOf = (part: "kubelet" | "containerd" | "shim"): string => both[part];

/** One kill: of a part, after a share of the length of the operation. */
export interface Moment {
  readonly operation: Operation;
  readonly part: string;
  readonly command: string;
  /** In [0, 1). */
  readonly share: number;
}

/** Two kills with one seed: in a checkpoint, and in the restore of it. */
export interface Round {
  readonly seed: number;
  readonly checkpoint: Moment;
  readonly restore: Moment;
}

/** Returns rounds with the seeds from SEED on. Parts take turns, so that consecutive seeds have all of them. */
export function rounds(count: number): readonly Round[] {
  return Array.from({ length: count }, (_, index) => {
    const seed = SEED + index;
    const random = new Random(seed);
    const of = (operation: Operation, turn: number): Moment => {
      const parts = Object.entries(PARTS[operation]);
      const [part, command] = parts[turn % parts.length]!;
      return { operation, part, command, share: random.next() };
    };
    // Two of three restores are killed in the wrapper's part: it is the shorter one, and has more to lose.
    const restore = seed % 3 === 0 ? of("restore", seed / 3) : of("wrapper", seed - Math.ceil(seed / 3));
    return { seed, checkpoint: of("checkpoint", seed), restore };
  });
}

/**
 * Runs a shell script on the node some milliseconds later, without keeping this process from its own work. That no process was
 * there to kill is no error: the moment was before or after its life. Returns whether one was.
 *
 * @param keep the process of the shim that is not killed
 */
export async function killLater(
  folder: string,
  milliseconds: number,
  command: string,
  keep: string,
): Promise<boolean> {
  const kit = join(process.env["CEDANA_TESTBED"]!, "on-node");
  const kills = command.split("; ").map((each) => `if ${each}; then echo killed; fi`);
  const script = `KEEP=${keep}; sleep ${(milliseconds / 1000).toFixed(3)}; ${kills.join("; ")}`;
  const { stdout } = await promisify(execFile)(kit, ["--dir", folder, "sh", "-c", script]);
  return stdout !== "";
}
