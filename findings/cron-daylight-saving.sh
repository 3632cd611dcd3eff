#!/usr/bin/env bash
# croner and robfig/cron, the library of Kubernetes' CronJob, differ on the days on which daylight saving time begins and ends.
#
# Likely guess: both follow cron. A time that is skipped is due once, at the end of the gap, and one that occurs twice is due once. A
#   list of times behaves as its single times do.
# What happens: for `30 2 * * *` croner is due at the end of the gap, and once in the hour that occurs twice. With a second minute or
#   hour in the pattern (`15,45 2 * * *`, `30 2,14 * * *`) it is due at no time in the gap, and twice in the repeated hour. robfig/cron
#   is due at no time in the gap for all three, and twice in the repeated hour.
# Version: croner 11.0.0, github.com/robfig/cron/v3 3.0.1 (that of the CronJob controller of Kubernetes 1.34).
# Consequence: a nightly checkpoint or backup in the hour of the change has no run on one day a year, and two on another. This depends on
#   the number of times in its pattern, and on whether a CronJob or a program with croner runs it. Do not schedule in that hour, or
#   compute the times in local time and convert them.
#
# Needs: bash, Node 20.19 or newer with npm, Go 1.23 or newer. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"

printf '{ "private": true, "type": "module" }' > package.json
npm install --silent --no-audit --no-fund --save-exact croner@11.0.0
go mod init finding > /dev/null 2>&1
go get github.com/robfig/cron/v3@v3.0.1 > get.log 2>&1 || { cat get.log; exit 1; }

cat > croner.mjs << 'END'
import { Cron } from "croner";

for (const [day, from, until] of [
  ["begin", "2026-03-28T23:00:00Z", "2026-03-29T12:00:00Z"],
  ["end", "2026-10-24T22:00:00Z", "2026-10-25T12:00:00Z"],
])
  for (const pattern of ["30 2 * * *", "15,45 2 * * *", "30 2,14 * * *"]) {
    const cron = new Cron(pattern, { timezone: "Europe/Berlin", mode: "5-part", paused: true });
    const times = [];
    for (let at = cron.nextRun(new Date(from)); at < new Date(until); at = cron.nextRun(at))
      times.push(at.toISOString().slice(11, 16));
    console.log(`croner ${day} (${pattern}): ${times.join(" ") || "none"}`);
  }
END
cat > main.go << 'END'
package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

func main() {
	for _, day := range [][3]string{
		{"begin", "2026-03-28T23:00:00Z", "2026-03-29T12:00:00Z"},
		{"end", "2026-10-24T22:00:00Z", "2026-10-25T12:00:00Z"},
	} {
		for _, pattern := range []string{"30 2 * * *", "15,45 2 * * *", "30 2,14 * * *"} {
			schedule, err := cron.ParseStandard("TZ=Europe/Berlin " + pattern)
			if err != nil {
				panic(err)
			}
			from, _ := time.Parse(time.RFC3339, day[1])
			until, _ := time.Parse(time.RFC3339, day[2])
			var times []string
			for at := schedule.Next(from); at.Before(until); at = schedule.Next(at) {
				times = append(times, at.UTC().Format("15:04"))
			}
			if times == nil {
				times = []string{"none"}
			}
			fmt.Printf("robfig %s (%s): %s\n", day[0], pattern, strings.Join(times, " "))
		}
	}
}
END
go mod tidy > tidy.log 2>&1 || { cat tidy.log; exit 1; }

echo "croner $(node -p 'require("./node_modules/croner/package.json").version'), robfig/cron $(go list -m -f '{{.Version}}' github.com/robfig/cron/v3); times in UTC, Europe/Berlin changes at 01:00"
{ node croner.mjs; go run .; } | tee output

cat > expected << 'END'
croner begin (30 2 * * *): 01:00
croner begin (15,45 2 * * *): none
croner begin (30 2,14 * * *): none
croner end (30 2 * * *): 00:30
croner end (15,45 2 * * *): 00:15 00:45 01:15 01:45
croner end (30 2,14 * * *): 00:30 01:30
robfig begin (30 2 * * *): none
robfig begin (15,45 2 * * *): none
robfig begin (30 2,14 * * *): none
robfig end (30 2 * * *): 00:30 01:30
robfig end (15,45 2 * * *): 00:15 00:45 01:15 01:45
robfig end (30 2,14 * * *): 00:30 01:30
END
diff expected output && echo "as described"
