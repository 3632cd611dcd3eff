import pino from "pino";
import { LeaderElector, type Metrics } from "../../../../kube";
import { LossyLease } from "./support/lossy-lease";
import { seeded, SEED, SOAK } from "../../../../testbed/random";
import { VirtualTime } from "../../../support/virtual-time";

const SCHEDULES = SOAK ? 2000 : 60;
const FAULTS_MS = 40_000;
/** Half the renew deadline: the longest that a request hit by a fault goes on after faults have stopped. */
const REQUEST_MS = 5_000;
/** leaseDuration + 2 retryPeriod, and the way there and back of the few requests it takes. */
const TAKE_OVER_MS = 15_000 + 2 * 2_000 + 500;

const LOSSES = [0, 0.1, 0.3, 0.6, 0.9];

const log = pino({ level: "silent" });

/** One process. */
interface Life {
  readonly replica: Replica;
  readonly elector: LeaderElector;
  readonly stop: AbortController;
  dead: boolean;
  /** All that it had begun is done, and it begins nothing more. */
  drained: boolean;
}

/** Processes that follow each other on one pod. */
class Replica {
  life?: Life;
  /** Until when a write that was begun could be done. */
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
    const life: Life = { replica: this, elector, stop: new AbortController(), dead: false, drained: false };
    this.life = life;
    const ended = () => this.kill(life);
    void this.time.as(life, () =>
      elector.run(life.stop.signal, (leading) => this.lead(life, leading)).then(ended, ended),
    );
  }

  /** kill -9, or the end: what it began may still be done. Another process comes a second later. */
  kill(life = this.life): void {
    if (!life || life.dead) return;
    life.dead = true;
    this.life = undefined;
    this.time.as(undefined, () => this.time.after(1_000, () => this.start()));
  }

  private async lead(life: Life, leading: AbortSignal): Promise<void> {
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
    const life = owner as Life | undefined;
    if (!life) return 0;
    return life.dead ? Infinity : life.replica.pausedUntilMs;
  };
  const look = () => {
    for (const replica of replicas) {
      const { life, pausedUntilMs } = replica;
      if (!life?.elector.mayWrite() || life.drained || pausedUntilMs > time.nowMs) continue;
      const other = replicas.find((one) => one !== replica && one.landsUntilMs > time.nowMs);
      if (other)
        throw new Error(
          `seed ${seed}: at ${time.nowMs} ms ${replica.name} may write, and so might ${other.name}`,
        );
      replica.landsUntilMs = time.nowMs + life.elector.remainingMs();
    }
  };
  for (const replica of replicas) replica.start();
  while (time.nowMs < FAULTS_MS) {
    await time.until(Math.min(FAULTS_MS, time.nowMs + random() * 12_000), look);
    lease.loss = LOSSES[Math.floor(random() * LOSSES.length)] as number;
    const leader = replicas.find(({ life }) => life?.elector.mayWrite());
    const replica = leader && random() < 0.5 ? leader : (replicas[Math.floor(random() * 3)] as Replica);
    const event = random();
    if (event < 0.3) replica.pausedUntilMs = Math.min(FAULTS_MS, time.nowMs + random() * 30_000);
    else if (event < 0.4) replica.kill();
    else if (event < 0.5) replica.life?.stop.abort();
  }
  await time.until(FAULTS_MS + REQUEST_MS + TAKE_OVER_MS, look);
  if (!replicas.some(({ life }) => life?.elector.mayWrite()))
    throw new Error(`seed ${seed}: nobody leads again`);
  return { terms: replicas.reduce((sum, { terms }) => sum + terms, 0) };
}

test("never two whose writes could both be done, and soon one again, whatever pauses, clocks, network and kills do", async () => {
  const time = new VirtualTime().install();
  let terms = 0;
  try {
    for (let seed = SEED; seed < SEED + SCHEDULES; seed++) terms += (await schedule(seed, time)).terms;
  } finally {
    time.uninstall();
    jest.restoreAllMocks();
  }
  // The schedules are worth something: leaders do change.
  expect(terms).toBeGreaterThan(1.5 * SCHEDULES);
});
