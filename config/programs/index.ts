/** Settings of the controller and the agent, and how their programs read them. */
export { fail, settingsIn } from "./settings-file";
