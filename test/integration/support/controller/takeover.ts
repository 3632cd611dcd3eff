import { eventually } from "../../../../testbed/cluster/apiserver";
import { holderIn, type Fleet, type Replica } from "./fleet";

/** Waits until all replicas run, and returns the leader. */
export async function leaderOfAll(fleet: Fleet): Promise<Replica> {
  await eventually(30, "all replicas run and one leads", async () => {
    return fleet.leader !== undefined && fleet.replicas.every(({ process }) => process.exit === undefined);
  });
  return fleet.leader as Replica;
}

/** Disrupts the leader. @returns milliseconds until another process leads and has written */
export async function takeOver(fleet: Fleet, disrupt: (leader: Replica) => void): Promise<number> {
  const leader = await leaderOfAll(fleet);
  const holder = fleet.holder ?? "";
  const startMs = Date.now();
  disrupt(leader);
  await eventually(
    40,
    "another process leads and writes",
    async () => firstWriteAfter(fleet, holder) !== undefined,
  );
  return (firstWriteAfter(fleet, holder) ?? Infinity) - startMs;
}

/** Returns the response time of the first write to a node by the process that acquired the Lease after `holder`. */
function firstWriteAfter({ exchanges }: Fleet, holder: string): number | undefined {
  const done = exchanges.filter(({ method, status = 500 }) => method !== "GET" && status < 300);
  const last = done.findLastIndex((it) => holderIn(it) === holder);
  const acquired = done.findIndex(
    (it, index) => index > last && ![undefined, "", holder].includes(holderIn(it)),
  );
  const replica = done[acquired]?.replica;
  return done.find((it, index) => {
    return acquired >= 0 && index > acquired && it.replica === replica && it.path.includes("/nodes/");
  })?.respondedAt;
}
