import { createLogger } from "../../../../kube";

export const silent = createLogger({ level: "error", destination: { write: () => {} } });

const never = new Promise<never>(() => {});

/** Methods that return no promise: they cannot be interrupted. */
const SYNC = ["get", "list", "contains", "objects"];

/** Lets a process of the agent die at a step. A dead process has no further effect; its writes remain. */
export class Mortal {
  steps = 0;
  dead = false;

  constructor(
    private readonly dieAt: number | undefined,
    private readonly onDeath: () => void,
  ) {}

  kill(): void {
    this.dead = true;
    this.onDeath();
  }

  /** Makes each call two steps: the process can die before the call, or before its result arrives. */
  wrap<T extends object>(target: T, replacements: Partial<T> = {}): T {
    return new Proxy(target, {
      get: (_, name) => {
        const method =
          (replacements as Record<PropertyKey, unknown>)[name] ?? Reflect.get(target, name, target);
        if (typeof method !== "function") return method;
        if (SYNC.includes(String(name))) return method.bind(target);
        return async (...given: unknown[]) => {
          if (this.step()) return never;
          const work = (method as (...all: unknown[]) => Promise<unknown>).apply(target, given);
          const settle = await work.then(
            (value) => () => value,
            (error: unknown) => () => {
              throw error;
            },
          );
          return this.step() ? never : settle();
        };
      },
    });
  }

  private step(): boolean {
    if (!this.dead && ++this.steps === this.dieAt) this.kill();
    return this.dead;
  }
}
