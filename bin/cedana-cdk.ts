#!/usr/bin/env node
import { main } from "../cli/main";
import { handleOutputErrors } from "../cli/options";

handleOutputErrors(process.stdout);
// There is no other place for messages.
process.stderr.on("error", () => {});
void main(process.argv.slice(2));
