import type { AdmissionRequest, AdmissionResponse } from "./review";
import type { Refusal } from "./limits";
import type { PlainRequest, PlainResponse, PlainRules } from "./plain";
import type { LogLevel } from "../log";

/** Argument of a program that makes it run as the webhook's process, on the channel of its parent. */
export const WEBHOOK_ARGUMENT = "--webhook-process";

/** A message to the webhook's process. */
export type ToChild =
  | {
      readonly do: "start";
      readonly port: number;
      /** Paths of reviews. */
      readonly paths: readonly string[];
      /** Requests of other paths. */
      readonly plain?: PlainRules;
      readonly level: LogLevel;
    }
  | { readonly do: "use"; readonly cert: string; readonly key: string }
  | { readonly do: "respond"; readonly id: number; readonly response: AdmissionResponse | PlainResponse }
  /** The handler threw. */
  | { readonly do: "fail"; readonly id: number; readonly message: string; readonly invalid: boolean }
  | { readonly do: "stop" }
  | { readonly do: "close" };

/** A message of the webhook's process. */
export type FromChild =
  | { readonly is: "listening"; readonly port: number }
  | { readonly is: "failed"; readonly message: string }
  | { readonly is: "review"; readonly id: number; readonly path: string; readonly request: AdmissionRequest }
  | { readonly is: "request"; readonly id: number; readonly request: PlainRequest }
  | { readonly is: "refused"; readonly refusals: Readonly<Partial<Record<Refusal, number>>> };
