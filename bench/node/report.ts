import { median } from "../controller/each";
import type { Measured } from "./measure";
import type { SideKind } from "./sides";

/** The results of one size, by engine. */
export type Results = Readonly<Partial<Record<SideKind, readonly Measured[]>>>;

interface Column {
  readonly title: string;
  readonly of: (one: Measured) => number;
  readonly digits: number;
}

const COLUMNS: readonly Column[] = [
  { title: "one read, ms", of: (one) => one.readMs, digits: 0 },
  { title: "standstill, ms", of: (one) => one.standstillMs, digits: 0 },
  { title: "reported, ms", of: (one) => one.reportedMs, digits: 0 },
  { title: "checkpoint Ready, s", of: (one) => one.checkpoint, digits: 2 },
  { title: "written per byte", of: (one) => one.writtenPerByte, digits: 2 },
  { title: "fresh start, s", of: (one) => one.fresh, digits: 2 },
  { title: "restore Ready, s", of: (one) => one.restore, digits: 2 },
];

const medianOf = (measured: readonly Measured[], of: (one: Measured) => number) => median(measured.map(of));

/** Returns the medians of all sizes and engines as a table. */
export function table(all: ReadonlyMap<number, Results>): string {
  const head = ["memory, MB", "engine", ...COLUMNS.map(({ title }) => title)];
  const rows = [...all].flatMap(([megabytes, results]) =>
    Object.entries(results).map(([kind, measured]) => [
      String(megabytes),
      kind,
      ...COLUMNS.map(({ of, digits }) => medianOf(measured, of).toFixed(digits)),
    ]),
  );
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, at) => (at === 1 ? "---" : "---:"));
  return [head, rule, ...rows].map(line).join("\n");
}

/** A limit of the ratio of two medians. */
interface Limit {
  readonly what: string;
  readonly megabytes: number;
  readonly most: number;
  readonly of: (one: Measured) => number;
  /** What it is divided by: a measurement of the engine `kubelet`, or of `criu` itself. Default: 1. */
  readonly by?: { readonly kind: SideKind; readonly of: (one: Measured) => number; readonly what: string };
}

const byOld = (of: Limit["of"]) => ({ kind: "kubelet" as const, of, what: "the engine `kubelet`" });
const byOwn = (of: Limit["of"], what: string) => ({ kind: "criu" as const, of, what });
const standstill = (one: Measured) => one.standstillMs;
const checkpoint = (one: Measured) => one.checkpoint;
const restore = (one: Measured) => one.restore;

const LIMITS: readonly Limit[] = [
  { what: "standstill", megabytes: 1024, most: 0.35, of: standstill, by: byOld(standstill) },
  { what: "standstill", megabytes: 64, most: 0.6, of: standstill, by: byOld(standstill) },
  {
    what: "standstill",
    megabytes: 1024,
    most: 2.5,
    of: standstill,
    by: byOwn((one) => one.readMs, "one read of the memory"),
  },
  { what: "checkpoint", megabytes: 1024, most: 0.35, of: checkpoint, by: byOld(checkpoint) },
  { what: "checkpoint", megabytes: 64, most: 0.7, of: checkpoint, by: byOld(checkpoint) },
  { what: "restore", megabytes: 1024, most: 0.35, of: restore, by: byOld(restore) },
  { what: "restore", megabytes: 64, most: 1.3, of: restore, by: byOwn((one) => one.fresh, "a fresh start") },
  { what: "bytes written per byte", megabytes: 1024, most: 1.05, of: (one) => one.writtenPerByte },
  { what: "bytes written per byte", megabytes: 64, most: 1.05, of: (one) => one.writtenPerByte },
];

/** Returns the limits that can be compared, each with the result. */
export function limits(all: ReadonlyMap<number, Results>): string {
  const rows = LIMITS.flatMap(({ what, megabytes, most, of, by }) => {
    const results = all.get(megabytes);
    const own = results?.criu;
    const other = by && results?.[by.kind];
    if (own === undefined || (by && other === undefined)) return [];
    const found = medianOf(own, of) / (by && other ? medianOf(other, by.of) : 1);
    const verdict = found <= most ? "met" : "MISSED";
    return [`| ${what}, ${megabytes} MB | ${by?.what ?? 1} | ${most} | ${found.toFixed(2)} | ${verdict} |`];
  });
  rows.push(...lazyLimit(all));
  if (rows.length === 0) return "";
  return ["| | relative to | limit | measured | |", "| --- | --- | ---: | ---: | --- |", ...rows].join("\n");
}

/** The limit of a restore that loads memory on access: what it takes longer than a fresh start, in seconds. */
function lazyLimit(all: ReadonlyMap<number, Results>): string[] {
  const [megabytes, most] = [1024, 0.5];
  const lazy = all.get(megabytes)?.["criu lazy"];
  if (lazy === undefined) return [];
  const longer = medianOf(lazy, restore) - medianOf(lazy, (one) => one.fresh);
  const verdict = longer <= most ? "met" : "MISSED";
  return [
    `| lazy restore, ${megabytes} MB, seconds longer | a fresh start | ${most} | ${longer.toFixed(2)} | ${verdict} |`,
  ];
}
