#!/usr/bin/env node
/** The controller program. `cedana-cdk` writes its settings file into the install. */
import { runWebhookChild, WEBHOOK_ARGUMENT } from "../kube/webhook";

// The webhook's process loads only what it needs: it has less memory.
if (process.argv[2] === WEBHOOK_ARGUMENT) runWebhookChild();
else void import("../controller/command.js").then(({ main }) => main());
