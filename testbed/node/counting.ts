import { eventually, type Testbed } from "./testbed";

/** Returns a container that counts once a second and uses `megabytes` MB; each process has another token. */
export const counting = (name: string, megabytes: number) => ({
  name,
  image: "localhost:5000/count:1",
  env: [{ name: "MB", value: String(megabytes) }],
});

export interface Count {
  readonly count: number;
  /** Identifies the process; a restored process keeps its token. */
  readonly token: string;
}

/** Reads the logs of counting containers. */
export class Counts {
  constructor(private readonly testbed: Pick<Testbed, "kubectl">) {}

  /** Parses the last line of the container: `count N token T sum S`. */
  last(pod: string, container: string): Count {
    const line = this.testbed.kubectl(["logs", pod, "-c", container, "--tail=1"]);
    const [, count, token] = /^count (\d+) token (\w+) sum \d+$/m.exec(line) ?? [];
    if (count === undefined || token === undefined)
      throw new Error(`unexpected log of ${pod}/${container}: ${line}`);
    return { count: Number(count), token };
  }

  /** Waits until the container has counted to a number. */
  reach(pod: string, container: string, atLeast: number): Promise<Count> {
    return eventually(() => {
      const now = this.last(pod, container);
      if (now.count < atLeast) throw new Error(`${pod}/${container} is at ${now.count}, not ${atLeast}`);
      return now;
    });
  }
}
