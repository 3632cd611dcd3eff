package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/lazy"
	"cedana.ai/cdk/runtime/internal/plan"
	"golang.org/x/sys/unix"
)

const (
	// logFile is the name that runc gives to CRIU's log of a restore.
	logFile = "restore.log"
	// runtimeLog is the name of the runtime's own log of a restore.
	runtimeLog = "runtime.log"
	// configFile is the name of the configuration of CRIU.
	configFile = "criu.conf"
	// callLimit keeps the creation of a container below the kubelet's runtimeRequestTimeout, 120 s by default.
	callLimit = 100 * time.Second
	// deleteLimit is the limit of the removal of what a failed restore left, in the runtime's own state.
	deleteLimit = 10 * time.Second
)

// work is the directory for CRIU's log and its other files.
func (r *run) work() string { return r.pod.Path(plan.WorkDirectory, r.Pod.Container) }

// restoreProcess runs `runtime restore` within the plan's limits. After an error no process of it is left.
func (r *run) restoreProcess(entry *plan.Container) error {
	work := r.work()
	// What an earlier restore left may contain mounts.
	if err := errors.Join(lazy.Await(work, killLimit), UnmountBelow(work), os.RemoveAll(work), os.MkdirAll(filepath.Join(work, criu.Plugins), 0o700)); err != nil {
		return err
	}
	config := filepath.Join(work, configFile)
	err := os.WriteFile(config, []byte(r.criuConfig()), 0o600)
	if err = errors.Join(err, os.WriteFile(filepath.Join(work, unstartedFile), nil, 0o600)); err != nil {
		return err
	}
	files, err := r.changeAddresses()
	if err != nil {
		return err
	}
	shared, err := r.volumeFIFOs()
	if err != nil {
		return err
	}
	fifos, err := r.restoreFIFOsOnce(entry, shared)
	if err != nil {
		return err
	}
	r.holdFIFOs(shared)
	if err := r.serveMemory(entry); err != nil {
		return err
	}
	// The runtime keeps an annotation org.criu.config as long as the container exists. The environment leaves no trace.
	mark := markOf(r.Call.ID)
	command := exec.Command(r.Runtime, r.restoreArguments()...)
	command.Env = criu.Environment(mark, config)
	output, err := hideStreams(command, work)
	if err != nil {
		return err
	}
	defer output.Close()
	command.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	log := filepath.Join(work, logFile)
	limits := criu.Limits{Time: r.timeLimit(), LogBytes: r.plan.LogLimit()}
	err = withPrivateMounts(func() error {
		if err := r.cover(files, fifos); err != nil {
			return err
		}
		return criu.Run(context.Background(), command, mark, log, limits)
	})
	if err == nil {
		err = r.recordStreams()
	}
	if err == nil && r.memory != nil {
		err = r.memory.Restored()
	}
	if err == nil {
		return nil
	}
	r.killAll()
	if r.memory != nil {
		_ = r.memory.Abort()
	}
	cause := criu.FirstError(log)
	if cause == "" {
		cause = lastLine(filepath.Join(work, runtimeLog))
	}
	var exit *exec.ExitError
	switch {
	case cause == "":
		return err
	case errors.As(err, &exit):
		return errors.New(cause)
	default:
		return fmt.Errorf("%w: %s", err, cause)
	}
}

// timeLimit returns the limit of CRIU's run: the plan's, and less if the wait for the plan took long.
func (r *run) timeLimit() time.Duration {
	return max(min(r.plan.RestoreLimit(), callLimit-time.Since(r.Begin)), time.Second)
}

// restoreArguments returns the arguments of `runtime restore`: the global options of the call but for its log, which the
// shim would read as the error of the creation.
func (r *run) restoreArguments() []string {
	args := []string{}
	if r.Call.Root != "" {
		args = append(args, "--root", r.Call.Root)
	}
	args = append(args, "--log", filepath.Join(r.work(), runtimeLog), "--log-format", "json")
	if r.Call.SystemdCgroup {
		args = append(args, "--systemd-cgroup")
	}
	args = append(args, "restore", "--detach", "--bundle", r.Call.Bundle, "--image-path", r.images(), "--work-path", r.work(), "--file-locks")
	if r.Call.PIDFile != "" {
		args = append(args, "--pid-file", r.Call.PIDFile)
	}
	if r.Call.ConsoleSocket != "" {
		args = append(args, "--console-socket", r.Call.ConsoleSocket)
	}
	if r.container.Terminal {
		args = append(args, "--shell-job")
	}
	if r.Call.NoPivot {
		args = append(args, "--no-pivot")
	}
	if r.checkpoint.TCP == checkpoint.TCPLoopback {
		args = append(args, "--tcp-established")
	}
	if r.memory != nil {
		args = append(args, "--lazy-pages")
	}
	return append(args, r.Call.ID)
}

// criuConfig returns the options of CRIU that runc has no option for.
func (r *run) criuConfig() string {
	if r.checkpoint.TCP == checkpoint.TCPClose {
		return "tcp-close\n"
	}
	return ""
}

// markOf returns the mark of the processes of a restore: the runtime, CRIU, and what CRIU did not replace yet by a process
// of the checkpoint. A later call finds them by it if this process is killed.
func markOf(id string) string { return "restore-" + id }

// lastLine returns the message of the last line of a log of the runtime, of at most 400 bytes.
func lastLine(log string) string {
	text, err := os.ReadFile(log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := lines[len(lines)-1]
	var entry struct{ Msg string }
	if json.Unmarshal([]byte(last), &entry) == nil {
		last = entry.Msg
	}
	return strings.ToValidUTF8(last[:min(len(last), 400)], "?")
}
