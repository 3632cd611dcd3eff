/**
 * How a restore is asked for, and what is written down of it.
 */
export { originalImages } from "./images";
export {
  ARCHITECTURE_LABEL,
  FALLBACKS,
  LATEST,
  NOT_RESTORED,
  RECORD,
  REQUEST,
  RESTORED_FROM,
  RESTORE_VERB,
  WEBHOOK_PATH,
  type Fallback,
} from "./names";
