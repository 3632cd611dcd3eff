import { integer, object, optional, pattern, text, type Infer } from "./schema";

const HOUR_SECONDS = 3600;
const QUANTITY = pattern(
  "^[1-9][0-9]{0,14}(k|M|G|T|Ki|Mi|Gi|Ti)?$",
  "a whole number above zero, optionally followed by k, M, G, T, Ki, Mi, Gi or Ti, such as 1500M or 2Gi",
);
const quantity = (description: string) => text(description, 18, { pattern: QUANTITY });

/** Trigger `memory` of a policy. */
export const memory = object(
  "When the memory of a pod reaches a threshold: what the kernel cannot reclaim at once (the working set).",
  {
    percent: optional(
      integer(
        "Threshold in percent of a memory limit: of a container, when one of the pod's reaches it, or of the pod.",
        1,
        100,
      ),
    ),
    bytes: optional(quantity("Threshold of all containers together, such as 2Gi.")),
    forSeconds: optional(
      integer("Seconds for which the threshold must be reached in all readings.", 0, HOUR_SECONDS, 0),
    ),
    rearmPercent: optional(
      integer(
        "Percent of the limit below which all must fall before it is due again. Default: nine tenths of percent.",
        1,
        99,
      ),
    ),
    rearmBytes: optional(
      quantity(
        "Memory below which the containers must fall before it is due again. Default: nine tenths of bytes.",
      ),
    ),
  },
  [
    { rule: "has(self.percent) != has(self.bytes)", message: "set either percent or bytes" },
    {
      rule: "!has(self.rearmPercent) || (has(self.percent) && self.rearmPercent < self.percent)",
      message: "rearmPercent must be less than percent",
    },
    {
      rule: "!has(self.rearmBytes) || (has(self.bytes) && quantity(self.rearmBytes).isLessThan(quantity(self.bytes)))",
      message: "rearmBytes must be less than bytes",
    },
  ],
);

export type MemoryTrigger = Infer<typeof memory>;
