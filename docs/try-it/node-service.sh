#!/bin/bash
set -euo pipefail
umask 022
mkdir -p /etc/cedana-cdk
echo "$(command -v runc)" >/etc/cedana-cdk/runtime
cat >/etc/systemd/system/cedana-noded.service <<'END'
[Unit]
Description=Cedana host service: checkpoints and restores of pods
After=containerd.service
ConditionFileIsExecutable=/opt/cedana-cdk/current/bin/cedana-node
StartLimitIntervalSec=0

[Service]
ExecStartPre=/usr/bin/install -d -m 0700 /run/cedana-cdk/node /run/cedana-cdk/state
ExecStart=/opt/cedana-cdk/current/bin/cedana-node cedana-noded
Restart=always
RestartSec=1
KillMode=process
TimeoutStopSec=120
OOMScoreAdjust=-999
END
cat >/etc/systemd/system/cedana-noded.path <<'END'
[Unit]
Description=Starts the Cedana host service when its program is installed

[Path]
PathExists=/opt/cedana-cdk/current/bin/cedana-node

[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/cedana-noded-update.service <<'END'
[Unit]
Description=Restarts the Cedana host service if another version is current

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'pid=$$(systemctl show -P MainPID cedana-noded.service); [ "$$pid" -eq 0 ] || [ /proc/$$pid/exe -ef /opt/cedana-cdk/current/bin/cedana-node ] || systemctl restart cedana-noded.service'
END
cat >/etc/systemd/system/cedana-noded-update.path <<'END'
[Unit]
Description=Watches the versions of the Cedana host service

[Path]
PathChanged=/opt/cedana-cdk

[Install]
WantedBy=multi-user.target
END
cat >/etc/systemd/system/cedana-runc-removal.service <<'END'
[Unit]
Description=Removes the Cedana OCI runtime wrapper after an uninstall
ConditionPathExists=!/opt/cedana-cdk/current/bin/cedana-node
ConditionPathExists=/usr/local/bin/cedana-runc

[Service]
Type=oneshot
ExecStart=@/usr/local/bin/cedana-runc cedana-node remove-wrapper
SuccessExitStatus=75
END
cat >/etc/systemd/system/cedana-runc-removal.timer <<'END'
[Unit]
Description=Removes the Cedana OCI runtime wrapper after an uninstall

[Timer]
OnCalendar=*:0/5
RandomizedDelaySec=1min

[Install]
WantedBy=timers.target
END
systemctl daemon-reload
systemctl enable --now cedana-noded.path cedana-noded-update.path cedana-runc-removal.timer
