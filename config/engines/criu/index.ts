/** The engine `criu`: checkpoints of whole pods by CRIU on the node, restored by a runtime handler. */
export { criuControllerSchema, restartPolicy, tcpMode } from "./controller";
