import { eventually } from "./apiserver";
import { holderIn, type Fleet, type Replica } from "./controller-fleet";

/** Who leads, once all replicas run. */
export async function leaderOfAll(fleet: Fleet): Promise<Replica> {
  await eventually(30, "all replicas run and one leads", async () => {
    return fleet.leader !== undefined && fleet.replicas.every(({ process }) => process.exit === undefined);
  });
  return fleet.leader as Replica;
}

/** Does something to the leader. @returns milliseconds until another process leads and has written */
export async function takeOver(fleet: Fleet, harm: (leader: Replica) => void): Promise<number> {
  const leader = await leaderOfAll(fleet);
  const holder = fleet.holder ?? "";
  const begun = Date.now();
  harm(leader);
  await eventually(
    40,
    "another process leads and writes",
    async () => firstWriteAfter(fleet, holder) !== undefined,
  );
  return (firstWriteAfter(fleet, holder) ?? Infinity) - begun;
}

/** When the first write to a node was answered of the process that took the Lease over from `holder`. */
function firstWriteAfter({ exchanges }: Fleet, holder: string): number | undefined {
  const done = exchanges.filter(({ method, status = 500 }) => method !== "GET" && status < 300);
  const last = done.findLastIndex((it) => holderIn(it) === holder);
  const taken = done.findIndex(
    (it, index) => index > last && ![undefined, "", holder].includes(holderIn(it)),
  );
  const replica = done[taken]?.replica;
  return done.find((it, index) => {
    return taken >= 0 && index > taken && it.replica === replica && it.path.includes("/nodes/");
  })?.answeredAt;
}
