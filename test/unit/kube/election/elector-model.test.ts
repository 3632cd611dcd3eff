import pino from "pino";
import { LeaderElector, type Metrics } from "../../../../kube";
import { LossyLease } from "./support/lossy-lease";
import { seeded, SEED, SOAK } from "../../../../testbed/random";
import { VirtualTime } from "../../../support/virtual-time";

const SCHEDULES = SOAK ? 2000 : 60;
const FAULTS_MS = 40_000;
/** Half the renew deadline: the longest duration of a failed request after faults have stopped. */
const REQUEST_MS = 5_000;
/** leaseDuration + 2 retryPeriod, and the latency of the few requests in between. */
const TAKE_OVER_MS = 15_000 + 2 * 2_000 + 500;

const LOSSES = [0, 0.1, 0.3, 0.6, 0.9];

const log = pino({ level: "silent" });

/** One process of a replica. */
interface Lifetime {
  readonly replica: Replica;
  readonly elector: LeaderElector;
  readonly stop: AbortController;
  dead: boolean;
  /** All its writes are finished, and it starts no others. */
  drained: boolean;
}

/** Consecutive processes of one pod. */
class Replica {
  life?: Lifetime;
  /** The latest time at which a started write can take effect. */
  landsUntilMs = 0;
  pausedUntilMs = 0;
  terms = 0;
  private lives = 0;

  constructor(
    readonly name: string,
    private readonly time: VirtualTime,
    private readonly lease: LossyLease,
    private readonly random: () => number,
  ) {}

  start(): void {
    const elector = new LeaderElector({
      transport: this.lease.client((this.random() - 0.5) * 600_000),
      namespace: "n",
      name: "l",
      identity: `${this.name}_${this.lives++}`,
      log,
      metrics: METRICS,
    });
    const life: Lifetime = {
      replica: this,
      elector,
      stop: new AbortController(),
      dead: false,
      drained: false,
    };
    this.life = life;
    const ended = () => this.kill(life);
    void this.time.as(life, () =>
      elector.run(life.stop.signal, (leading) => this.lead(life, leading)).then(ended, ended),
    );
  }

  /** Ends the process, whose last write may still take effect. The next process starts a second later. */
  kill(life = this.life): void {
    if (!life || life.dead) return;
    life.dead = true;
    this.life = undefined;
    this.time.as(undefined, () => this.time.after(1_000, () => this.start()));
  }

  private async lead(life: Lifetime, leading: AbortSignal): Promise<void> {
    this.terms++;
    await new Promise<void>((resolve) => {
      if (leading.aborted) resolve();
      else leading.addEventListener("abort", () => resolve());
    });
    await new Promise<void>((resolve) => this.time.after(this.random() * 9_000, resolve));
    if (life.dead) return;
    life.drained = true;
    this.landsUntilMs = this.time.nowMs;
  }
}

const METRICS = { leading: () => undefined } satisfies Pick<Metrics, "leading">;

async function schedule(seed: number, time: VirtualTime): Promise<{ terms: number }> {
  const random = seeded(seed);
  jest.spyOn(Math, "random").mockImplementation(random);
  time.clear();
  time.nowMs = 0;
  const lease = new LossyLease(time, random, FAULTS_MS);
  const replicas = ["a", "b", "c"].map((name) => new Replica(name, time, lease, random));
  time.pausedUntil = (owner) => {
    const life = owner as Lifetime | undefined;
    if (!life) return 0;
    return life.dead ? Infinity : life.replica.pausedUntilMs;
  };
  const checkInvariant = () => {
    for (const replica of replicas) {
      const { life, pausedUntilMs } = replica;
      if (!life?.elector.mayWrite() || life.drained || pausedUntilMs > time.nowMs) continue;
      const other = replicas.find((one) => one !== replica && one.landsUntilMs > time.nowMs);
      if (other)
        throw new Error(
          `seed ${seed}: at ${time.nowMs} ms ${replica.name} may write while a write of ${other.name} may take effect`,
        );
      replica.landsUntilMs = time.nowMs + life.elector.remainingMs();
    }
  };
  for (const replica of replicas) replica.start();
  while (time.nowMs < FAULTS_MS) {
    await time.until(Math.min(FAULTS_MS, time.nowMs + random() * 12_000), checkInvariant);
    lease.loss = LOSSES[Math.floor(random() * LOSSES.length)] as number;
    const leader = replicas.find(({ life }) => life?.elector.mayWrite());
    const replica = leader && random() < 0.5 ? leader : (replicas[Math.floor(random() * 3)] as Replica);
    const event = random();
    if (event < 0.3) replica.pausedUntilMs = Math.min(FAULTS_MS, time.nowMs + random() * 30_000);
    else if (event < 0.4) replica.kill();
    else if (event < 0.5) replica.life?.stop.abort();
  }
  await time.until(FAULTS_MS + REQUEST_MS + TAKE_OVER_MS, checkInvariant);
  if (!replicas.some(({ life }) => life?.elector.mayWrite()))
    throw new Error(`seed ${seed}: no replica leads again`);
  return { terms: replicas.reduce((sum, { terms }) => sum + terms, 0) };
}

test("lets at most one replica write, and one again soon, with any pauses, clocks, network faults and kills", async () => {
  const time = new VirtualTime().install();
  let terms = 0;
  try {
    for (let seed = SEED; seed < SEED + SCHEDULES; seed++) terms += (await schedule(seed, time)).terms;
  } finally {
    time.uninstall();
    jest.restoreAllMocks();
  }
  // The schedules must contain changes of the leader.
  expect(terms).toBeGreaterThan(1.5 * SCHEDULES);
});
