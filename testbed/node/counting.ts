import { eventually, type Testbed } from "./testbed";

/** Counts once a second, holding so many MB; the token is new for each process. */
export const counting = (name: string, megabytes: number) => ({
  name,
  image: "localhost:5000/count:1",
  env: [{ name: "MB", value: String(megabytes) }],
});

export interface Count {
  readonly count: number;
  /** Of this process alone; a restored one has that of the process it was. */
  readonly token: string;
}

/** What counting containers say. */
export class Counts {
  constructor(private readonly testbed: Pick<Testbed, "kubectl">) {}

  /** The last line of the container: `count N token T sum S`. */
  last(pod: string, container: string): Count {
    const line = this.testbed.kubectl(["logs", pod, "-c", container, "--tail=1"]);
    const [, count, token] = /^count (\d+) token (\w+) sum \d+$/m.exec(line) ?? [];
    if (count === undefined || token === undefined) throw new Error(`${pod}/${container} says ${line}`);
    return { count: Number(count), token };
  }

  /** Waits until the container has counted so far. */
  reach(pod: string, container: string, atLeast: number): Promise<Count> {
    return eventually(() => {
      const now = this.last(pod, container);
      if (now.count < atLeast) throw new Error(`${pod}/${container} is at ${now.count}, not ${atLeast}`);
      return now;
    });
  }
}
