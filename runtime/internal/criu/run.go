// Package criu runs CRIU, directly or below an OCI runtime, within limits, and explains its errors.
package criu

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// MarkVariable is the environment variable that marks the runtime of a run. CRIU inherits it, and overwrites it.
const MarkVariable = "CEDANA_CRIU_RUN"

// Limits of one run. CRIU 4.2.1 can loop without an end and write 9 MB of log a second.
type Limits struct {
	Time time.Duration
	// LogBytes is the largest size of the log; 0 means none.
	LogBytes int64
}

// Errors of Run besides the command's own.
var (
	// ErrTimeLimit is returned when the run was killed at its time limit.
	ErrTimeLimit = errors.New("CRIU exceeded its time limit")
	// ErrLogLimit is returned when the run was killed because of the size of its log.
	ErrLogLimit = errors.New("CRIU exceeded the limit of its log")
)

// logInterval is the time between two looks at the size of the log: at 9 MB a second half a megabyte.
const logInterval = 50 * time.Millisecond

// NewMark returns a mark for a run.
func NewMark() string { return rand.Text() }

// Plugins is the name of the directory that CRIU loads its plugins from, beside its configuration file. It must exist and be
// empty: the CUDA plugin thaws every frozen container of a node with a GPU before its dump (package cuda does its work).
const Plugins = "plugins"

// Environment returns the environment of a run: this process's PATH, the mark, a configuration file that CRIU reads in place
// of those in /etc/criu/default.conf and the home directory, and the directory Plugins. An OCI runtime passes it to CRIU.
func Environment(mark, configFile string) []string {
	environment := []string{"PATH=" + os.Getenv("PATH"), MarkVariable + "=" + mark}
	if configFile != "" {
		environment = append(environment, "CRIU_CONFIG_FILE="+configFile, "CRIU_LIBS_DIR="+filepath.Join(filepath.Dir(configFile), Plugins))
	}
	// A preloaded library is a workaround of the administrator, as on machines where root lacks CAP_SYS_RESOURCE.
	if preload, found := os.LookupEnv("LD_PRELOAD"); found {
		environment = append(environment, "LD_PRELOAD="+preload)
	}
	return environment
}

// Run runs a command that runs CRIU, and waits for its end. The command must have the environment of the mark. It gets a
// new process group, or the one that its SysProcAttr names. At a limit Run kills all processes of the group and with the
// mark, and waits for their end.
//
// When the context ends, Run lets CRIU end by itself up to the limit, and returns the context's cause. It sends no signal:
// CRIU 4.2 handles no SIGTERM, and a CRIU that is killed while its code is in a dumped process can crash that process.
func Run(ctx context.Context, command *exec.Cmd, mark, log string, limits Limits) error {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A signal to this program's group must not reach CRIU: killed in the middle of a dump, it leaves the container thawed.
	command.SysProcAttr.Setpgid = true
	if err := command.Start(); err != nil {
		return err
	}
	target := Target{Mark: mark, Group: command.SysProcAttr.Pgid}
	if target.Group == 0 {
		target.Group = command.Process.Pid
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	deadline := time.NewTimer(limits.Time)
	defer deadline.Stop()
	tick := time.NewTicker(logInterval)
	defer tick.Stop()
	done := ctx.Done()
	for {
		var reason error
		select {
		case err := <-ended:
			return errors.Join(context.Cause(ctx), err)
		case <-done:
			done = nil
			continue
		case <-deadline.C:
			reason = fmt.Errorf("%w of %v", ErrTimeLimit, limits.Time)
		case <-tick.C:
			info, err := os.Stat(log)
			if limits.LogBytes == 0 || err != nil || info.Size() <= limits.LogBytes {
				continue
			}
			reason = fmt.Errorf("%w of %d bytes", ErrLogLimit, limits.LogBytes)
		}
		err := target.Kill(killTime)
		// Processes of the container can hold the runtime's pipes; the command itself was killed.
		select {
		case <-ended:
		case <-time.After(killTime):
		}
		return errors.Join(context.Cause(ctx), reason, err)
	}
}
