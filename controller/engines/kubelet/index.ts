/** The engine kubelet. */
export { KubeletEngine, type KubeletEngineOptions } from "./engine";
