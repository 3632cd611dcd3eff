/** One HTTP request of which it must be known whether any of it left. */
export { exchange, NoAnswerError, type Answer, type Call } from "./exchange";
