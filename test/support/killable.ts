import type { Transport } from "../../kube";
import type { FakeApi } from "../../testbed/fake-api";

const never = new Promise<never>(() => {});

/** A process of a test that dies at a step: a request that is executed, and whose response is lost. Later it sends and receives nothing. */
export abstract class Killable {
  /** Steps until now. */
  steps = 0;
  dead = false;

  /** @param dieAt number of the step. Default: it does not die */
  constructor(private readonly dieAt = Infinity) {}

  kill(): void {
    this.dead = true;
  }

  /** Returns the API in memory, with each request as a step. Lists do not count: the cache sends them, and they change nothing. */
  protected transportOf(api: FakeApi): Transport {
    return {
      send: (method, path, body, more) =>
        this.step(() => api.send(method, path, body, more), more?.query?.["limit"] === undefined),
      watch: (path, more) => api.watch(path, more),
    };
  }

  /** Executes a step. @param counts whether the process can die at it */
  protected async step<T>(work: () => Promise<T>, counts = true): Promise<T> {
    if (this.dead) return never;
    const dies = counts && ++this.steps === this.dieAt;
    const done = await work().then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
    if (dies) this.kill();
    return this.dead ? never : done();
  }
}
