const NEWLINE = 0x0a;

/** Maximum length of a line. etcd limits an object to 1.5 MiB; as JSON it is a few times larger at most. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Splits a byte stream into lines, independent of its chunks. */
export class Lines {
  private parts: Buffer[] = [];
  private bytes = 0;

  /** Adds a chunk. @returns the lines that end in it, without empty ones. @throws Error for a line above 16 MiB */
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
    if (this.bytes > 0) throw new Error("the watch ended inside an event");
  }

  private keep(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > MAX_LINE_BYTES)
      throw new Error(`an event of the watch is larger than ${MAX_LINE_BYTES / 1024 / 1024} MiB`);
    this.parts.push(part);
  }
}
