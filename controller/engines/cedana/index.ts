/** The engine cedana. */
export { CedanaEngine } from "./engine";
