/** Actions by their field in `spec.action` of a policy. */
import type { Action } from "./action";
import { checkpoint } from "./checkpoint";
import { verify } from "./verify";

export { ActionError, type Action, type ActionContext } from "./action";

export const ACTIONS: Readonly<Record<string, Action>> = { checkpoint, verify };
