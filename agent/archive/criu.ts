/** What is read of CRIU's own images: a few numbers in the head of two files. */

/** Two magic numbers and the length of the first entry stand before it. */
const HEAD = 12;
const COMMON_MAGIC = 0x54564319;
const SERVICE_MAGIC = 0x55105940;
const CORE_MAGIC = 0x55053847;
const STATS_MAGIC = 0x57093306;

/** OCI's names of the architectures that CRIU numbers (images/core.proto, `CoreEntry.mtype`). */
const MACHINES: Readonly<Record<number, string>> = {
  1: "amd64",
  2: "arm",
  3: "arm64",
  4: "ppc64le",
  5: "s390x",
  6: "mips64le",
  7: "loong64",
  8: "riscv64",
};

/** Architecture of a process, in OCI's word, from the first bytes of its `core-<pid>.img`; undefined if they say none. */
export function architectureIn(core: Buffer): string | undefined {
  if (!begins(core, COMMON_MAGIC, CORE_MAGIC)) return undefined;
  return MACHINES[numberAt(core.subarray(HEAD), [1]) ?? 0];
}

/**
 * Returns the time in which CRIU kept the processes frozen, in milliseconds, from `stats-dump` (images/stats.proto,
 * `DumpStatsEntry.frozen_time`). The container stands still longer: the runtime pauses it before and resumes it after.
 */
export function frozenMsIn(stats: Buffer): number | undefined {
  if (!begins(stats, SERVICE_MAGIC, STATS_MAGIC)) return undefined;
  const microseconds = numberAt(stats.subarray(HEAD), [1, 2]);
  return microseconds === undefined ? undefined : microseconds / 1000;
}

function begins(image: Buffer, ...magics: readonly number[]): boolean {
  return image.length > HEAD && magics.every((magic, index) => image.readUInt32LE(index * 4) === magic);
}

/** The number in a protobuf message under field numbers: the last of them a number, those before it messages. */
function numberAt(message: Buffer, [field, ...below]: readonly number[]): number | undefined {
  let at = 0;
  const varint = (): number | undefined => {
    let value = 0;
    for (let shift = 0; at < message.length && shift < 49; shift += 7) {
      const byte = message[at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  for (;;) {
    const key = varint();
    if (key === undefined) return undefined;
    const wanted = Math.floor(key / 8) === field;
    const kind = key % 8;
    if (kind !== 0 && kind !== 2) return undefined;
    const value = varint();
    if (value === undefined) return undefined;
    if (kind === 0 && wanted && below.length === 0) return value;
    if (kind === 2) {
      if (wanted && below.length > 0) return numberAt(message.subarray(at, at + value), below);
      at += value;
    }
  }
}
