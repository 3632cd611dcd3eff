#!/usr/bin/env node
import { main } from "../cli/main";
import { ignoreClosedPipe } from "../cli/options";

ignoreClosedPipe(process.stdout);
ignoreClosedPipe(process.stderr);
void main(process.argv.slice(2));
