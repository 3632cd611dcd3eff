import { eventually } from "../../../testbed/node/testbed";
import type { WrapperNode } from "../../../testbed/node/wrapper";

/** Returns a container with known content in its memory. */
export const memory = (name: string, megabytes: number, more: object = {}) => ({
  name,
  image: "localhost:5000/memory:1",
  command: ["/bin/memory", String(megabytes)],
  ...more,
});

/** The program of the server of memory, for pgrep -f. It matches neither itself nor a shell. */
const SERVERS = "^cedana-lazy serv[e]";

/** Name of the cgroup of the host service while a test needs a slow server. */
const SLOW = "testbed-slow-memory";

/** The servers of memory of a node, and its host service. */
export class MemoryServers {
  constructor(private readonly node: WrapperNode) {}

  /** Runs a script on the node. */
  script(text: string): string {
    return this.node.feed(text, "sh", "-s");
  }

  /** Starts the host service, in whose cgroup the servers run, and restarts it if it runs. */
  startService(): Promise<unknown> {
    this.stopService();
    this
      .script(`setsid /opt/cedana-cdk/current/bin/cedana-node cedana-noded > /tmp/noded.log 2>&1 < /dev/null &
echo $! > /tmp/noded.pid`);
    return eventually(() => this.call("state"));
  }

  stopService(): void {
    this.script(`[ ! -e /tmp/noded.pid ] || kill "$(cat /tmp/noded.pid)" 2> /dev/null || true
rm -f /tmp/noded.pid
rmdir /sys/fs/cgroup/${SLOW} /sys/fs/cgroup/cpu/${SLOW} 2> /dev/null || true`);
  }

  /** Sends a request to the host service. @throws Error if it reports one */
  call(method: string, params: object = {}): unknown {
    const program = "/opt/cedana-cdk/current/bin/cedana-node";
    const text = this.node.feed(
      JSON.stringify(params),
      "sh",
      "-c",
      `exec ${program} cedana-noded call ${method} "$(cat)"`,
    );
    return JSON.parse(text);
  }

  /** PIDs of all servers and keepers. */
  all(): readonly string[] {
    return this.node.onNode("sh", "-c", `pgrep -f '${SERVERS}' || true`).split("\n").filter(Boolean);
  }

  /** PIDs of the keepers: the children of servers. */
  keepers(): readonly string[] {
    const servers = this.all();
    return servers.filter((pid) =>
      servers.includes(this.script(`awk '/^PPid/ {print $2}' /proc/${pid}/status`).trim()),
    );
  }

  /**
   * Stops the next server in the moment in which the processes of a container run and their memory is being loaded. Returns a
   * function that waits for its PID.
   */
  stopNext(container: string): () => Promise<string> {
    // The server loads before the processes run, 512 MB in half a second. So the cgroup of the service, in which it runs, has 4 %
    // of a processor until then.
    this.script(`rm -f /tmp/stopped
if [ -d /sys/fs/cgroup/cpu ]; then slow=/sys/fs/cgroup/cpu/${SLOW}; else slow=/sys/fs/cgroup/${SLOW}; fi
mkdir -p $slow
limit() {
  if [ -e $slow/cpu.max ]; then echo "$1 100000" > $slow/cpu.max; else echo "$1" | sed s/max/-1/ > $slow/cpu.cfs_quota_us; fi
}
limit 4000
cat /tmp/noded.pid > $slow/cgroup.procs
( server=
  while [ -z "$server" ]; do
    for pid in $(pgrep -f '${SERVERS}'); do
      parent=$(awk '/^PPid/ {print $2}' /proc/$pid/status)
      case "$(readlink /proc/$pid/cwd)" in */work/${container}) ;; *) continue ;; esac
      grep -qa lazy /proc/$parent/cmdline || server=$pid
    done
  done
  cd "$(readlink /proc/$server/cwd)"
  until grep -qs '"phase":"Loading"' lazy.json; do sleep 0.01; done
  kill -STOP $server
  limit max
  echo $server > /tmp/stopping; mv /tmp/stopping /tmp/stopped
) > /dev/null 2>&1 < /dev/null &`);
    return () => eventually(() => this.node.onNode("cat", "/tmp/stopped").trim());
  }

  /** Returns lazy.json of a container. */
  status(pod: string, container: string): { phase: string; bytes: number; message?: string } {
    const path = `/var/lib/cedana-cdk/restore/${this.node.uid(pod)}/work/${container}/lazy.json`;
    return JSON.parse(this.node.onNode("cat", path)) as { phase: string; bytes: number; message?: string };
  }
}
