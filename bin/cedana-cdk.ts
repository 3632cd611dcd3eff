#!/usr/bin/env node
import { main } from "../cli/main";
import { handleOutputErrors } from "../cli/options";

handleOutputErrors(process.stdout);
// There is no other place for messages.
process.stderr.on("error", () => {});
void main(process.argv.slice(2)).then(() => {
  // Exits once the output is written: at the end of the event loop, Node.js would first wait for the garbage collector.
  process.stdout.write("", () => process.stderr.write("", () => process.exit()));
});
