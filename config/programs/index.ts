/** Settings of controller and agent, and their loader. */
export { fail, loadSettings } from "./settings-file";
