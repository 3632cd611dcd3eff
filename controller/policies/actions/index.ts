/** Actions by their field in `spec.action` of a policy. */
import type { Action } from "./action";
import { checkpoint } from "./checkpoint";

export type { Action, ActionContext } from "./action";

export const ACTIONS: Readonly<Record<string, Action>> = { checkpoint };
