const NEWLINE = 0x0a;

/** Of etcd's largest request, 1.5 MiB, a watch event is at most some times as much in JSON. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Cuts a stream of bytes into lines, wherever the chunks begin and end. */
export class Lines {
  private parts: Buffer[] = [];
  private bytes = 0;

  /** @returns the lines that end in this chunk, without empty ones. @throws Error for a line above 16 MiB */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.keep(chunk.subarray(start, end));
      const line = Buffer.concat(this.parts).toString("utf8").trim();
      if (line !== "") lines.push(line);
      this.parts = [];
      this.bytes = 0;
      start = end + 1;
    }
    this.keep(chunk.subarray(start));
    return lines;
  }

  /** @throws Error if the stream ended inside a line */
  end(): void {
    if (this.bytes > 0) throw new Error("the watch was cut inside an event");
  }

  private keep(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > MAX_LINE_BYTES)
      throw new Error(`an event of the watch is larger than ${MAX_LINE_BYTES / 1024 / 1024} MiB`);
    this.parts.push(part);
  }
}
