/** Reads a few numbers from the heads of two of CRIU's image files. */

/** Two magic numbers and the length of the first entry precede the entry. */
const HEADER_BYTES = 12;
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

/** Returns the OCI architecture of a process from the first bytes of its `core-<pid>.img`; undefined if unknown. */
export function architectureIn(core: Buffer): string | undefined {
  if (!startsWith(core, COMMON_MAGIC, CORE_MAGIC)) return undefined;
  return MACHINES[numberAt(core.subarray(HEADER_BYTES), [1]) ?? 0];
}

/**
 * Returns the time in which CRIU kept the processes frozen, in milliseconds, from `stats-dump` (images/stats.proto,
 * `DumpStatsEntry.frozen_time`). The standstill of the container is longer: the runtime pauses it before and resumes it after.
 */
export function frozenMsIn(stats: Buffer): number | undefined {
  if (!startsWith(stats, SERVICE_MAGIC, STATS_MAGIC)) return undefined;
  const microseconds = numberAt(stats.subarray(HEADER_BYTES), [1, 2]);
  return microseconds === undefined ? undefined : microseconds / 1000;
}

function startsWith(image: Buffer, ...magics: readonly number[]): boolean {
  return (
    image.length > HEADER_BYTES && magics.every((magic, index) => image.readUInt32LE(index * 4) === magic)
  );
}

/** Returns a number of a protobuf message by its path of field numbers: messages, then the number. */
function numberAt(message: Buffer, [field, ...rest]: readonly number[]): number | undefined {
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
    const matches = Math.floor(key / 8) === field;
    const kind = key % 8;
    if (kind !== 0 && kind !== 2) return undefined;
    const value = varint();
    if (value === undefined) return undefined;
    if (kind === 0 && matches && rest.length === 0) return value;
    if (kind === 2) {
      if (matches && rest.length > 0) return numberAt(message.subarray(at, at + value), rest);
      at += value;
    }
  }
}
