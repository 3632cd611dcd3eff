/** Renders the boot script of the host service: its systemd units, and the OCI runtime behind the wrapper. */
import {
  NODE_FOLDER,
  NODE_PROGRAM,
  RUNTIME_FILE,
  SERVICE_DIRECTORY,
  STATE_DIRECTORY,
  WRAPPER,
  type Ami,
} from "../../config/nodes";

const SERVICE = "cedana-noded";
const UPDATE = `${SERVICE}-update`;
const REMOVAL = "cedana-runc-removal";

/**
 * systemd units by file name. The node agent installs the program after the boot, so path units start the service when the
 * program exists, and restart it when another version is current. A pod cannot start a unit of the node.
 */
const UNITS: Readonly<Record<string, string>> = {
  // The service stops once no checkpoint is in flight, within 100 s. Only the service gets signals. CRIU and its watchdog outlive it until the checkpoint in flight is given up: a CRIU that
  // is killed can crash the process that it dumps.
  [`${SERVICE}.service`]: `[Unit]
Description=Cedana host service: checkpoints and restores of pods
After=containerd.service
ConditionFileIsExecutable=${NODE_PROGRAM}
StartLimitIntervalSec=0

[Service]
ExecStartPre=/usr/bin/install -d -m 0700 ${SERVICE_DIRECTORY} ${STATE_DIRECTORY}
ExecStart=${NODE_PROGRAM} ${SERVICE}
Restart=always
RestartSec=1
KillMode=process
TimeoutStopSec=120
OOMScoreAdjust=-999
`,
  [`${SERVICE}.path`]: `[Unit]
Description=Starts the Cedana host service when its program is installed

[Path]
PathExists=${NODE_PROGRAM}

[Install]
WantedBy=multi-user.target
`,
  // $$ is $ in a unit.
  [`${UPDATE}.service`]: `[Unit]
Description=Restarts the Cedana host service if another version is current

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'pid=$$(systemctl show -P MainPID ${SERVICE}.service); [ "$$pid" -eq 0 ] || [ /proc/$$pid/exe -ef ${NODE_PROGRAM} ] || systemctl restart ${SERVICE}.service'
`,
  [`${UPDATE}.path`]: `[Unit]
Description=Watches the versions of the Cedana host service

[Path]
PathChanged=${NODE_FOLDER}

[Install]
WantedBy=multi-user.target
`,
  // After an uninstall the wrapper stays until no container of its handler is left: exit code 75. @ sets the name by which
  // the wrapper takes the role of cedana-node.
  [`${REMOVAL}.service`]: `[Unit]
Description=Removes the Cedana OCI runtime wrapper after an uninstall
ConditionPathExists=!${NODE_PROGRAM}
ConditionPathExists=${WRAPPER}

[Service]
Type=oneshot
ExecStart=@${WRAPPER} cedana-node remove-wrapper
SuccessExitStatus=75
`,
  [`${REMOVAL}.timer`]: `[Unit]
Description=Removes the Cedana OCI runtime wrapper after an uninstall

[Timer]
OnCalendar=*:0/5
RandomizedDelaySec=1min

[Install]
WantedBy=timers.target
`,
};

/** Returns the script. It runs once, when cloud-init starts, before containerd and the kubelet. */
export function renderNodeService({ runtimeBinary }: Pick<Ami, "runtimeBinary">): string {
  const path = RUNTIME_FILE.slice(0, RUNTIME_FILE.lastIndexOf("/"));
  const enabled = Object.entries(UNITS).flatMap(([name, text]) => (text.includes("[Install]") ? [name] : []));
  return [
    "#!/bin/bash",
    "set -euo pipefail",
    "umask 022",
    `mkdir -p ${path}`,
    `echo ${runtimeBinary} >${RUNTIME_FILE}`,
    ...Object.entries(UNITS).flatMap(([name, text]) => [
      `cat >/etc/systemd/system/${name} <<'END'`,
      `${text}END`,
    ]),
    "systemctl daemon-reload",
    `systemctl enable --now ${enabled.join(" ")}`,
    "",
  ].join("\n");
}
