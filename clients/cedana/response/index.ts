/** What responses of Cedana's servers have in common. */
export { errorMessageIn, parsedOrText, printable, unquoted, UnexpectedResponseError } from "./text";
