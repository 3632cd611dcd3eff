package criu

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script returns a command with the mark that runs a shell script.
func script(mark, text string, list ...string) *exec.Cmd {
	command := exec.Command("/bin/sh", append([]string{"-c", text, "sh"}, list...)...)
	command.Env = Environment(mark, "")
	return command
}

func TestRunReturnsTheResultOfTheCommand(t *testing.T) {
	mark := NewMark()
	limits := Limits{Time: time.Minute}
	if err := Run(context.Background(), script(mark, "exit 0"), mark, "", limits); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := Run(context.Background(), script(mark, "exit 3"), mark, "", limits); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("got %v", err)
	}
}

func TestRunKillsTheWholeTreeAtALimit(t *testing.T) {
	// Children in another session with closed output, and one without the environment: CRIU overwrites its own.
	tree := `setsid sleep 1000 >/dev/null 2>&1 & echo $! > "$1/child"; env -i sleep 1001 & echo $! > "$1/criu"; while :; do echo line of the log >> "$1/log"; sleep 0.01; done`
	cancelled, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stopped := errors.New("stopped")
	for name, each := range map[string]struct {
		ctx    context.Context
		limits Limits
		want   error
	}{
		"time":    {context.Background(), Limits{Time: 300 * time.Millisecond}, ErrTimeLimit},
		"log":     {context.Background(), Limits{Time: time.Minute, LogBytes: 100}, ErrLogLimit},
		"context": {cancelled, Limits{Time: time.Minute}, stopped},
	} {
		dir, mark := t.TempDir(), NewMark()
		if each.ctx == cancelled {
			time.AfterFunc(300*time.Millisecond, func() { cancel(stopped) })
		}
		err := Run(each.ctx, script(mark, tree, dir), mark, filepath.Join(dir, "log"), each.limits)
		if !errors.Is(err, each.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if pids, err := (Target{Mark: mark}).Processes(); err != nil || len(pids) > 0 {
			t.Errorf("%s: processes %v are left, %v", name, pids, err)
		}
		for _, each := range []string{"child", "criu"} {
			pid, err := os.ReadFile(filepath.Join(dir, each))
			if err != nil {
				t.Errorf("%s: %s was not started: %v", name, each, err)
			}
			stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
			if err == nil && !strings.Contains(string(stat), ") Z ") {
				t.Errorf("%s: %s still runs: %s", name, each, stat)
			}
		}
	}
}

func TestKillLeavesOtherRuns(t *testing.T) {
	one, other := NewMark(), NewMark()
	command := script(other, "exec sleep 1000")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	if err := Kill(one, time.Minute); err != nil {
		t.Error(err)
	}
	if pids, _ := (Target{Mark: other}).Processes(); len(pids) != 1 {
		t.Errorf("the other run has processes %v", pids)
	}
	if _, err := (Target{}).Processes(); err == nil {
		t.Error("an empty target is accepted")
	}
	group := syscall.Getpgrp()
	for cgroup, want := range map[string]bool{"": true, CgroupOf(os.Getpid()): true, "0::/another\n": false} {
		pids, err := (Target{Group: group, Cgroup: cgroup}).Processes()
		if err != nil || slices.Contains(pids, command.Process.Pid) != want || slices.Contains(pids, os.Getpid()) {
			t.Errorf("cgroup %q: got %v, %v", cgroup, pids, err)
		}
	}
}

func TestFirstError(t *testing.T) {
	log := strings.Join([]string{
		"(00.000021) Version: 4.2.1 (gitid 0)",
		"(00.000040) Warn  (criu/kerndat.c:1): no",
		"(00.010000) Error (criu/cr-dump.c:1): Can't set oom_score_adj",
		"(00.010001) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted",
		"(00.123456)      1: Error (criu/sk-inet.c:137): inet: Unsupported proto 262 for socket 1234\x07",
		"(00.123460) Error (criu/cr-dump.c:1742): Dump files (pid: 12) failed with -1",
	}, "\n")
	want := "sk-inet.c:137: inet: Unsupported proto 262 for socket 1234 "
	if got := firstError(strings.NewReader(log)); got != want {
		t.Errorf("got %q", got)
	}
	if cause := Explain(want); cause.Code != "mptcp-socket" || !strings.Contains(cause.Remedy, "multipathtcp=0") {
		t.Errorf("got %+v", cause)
	}
	restorer := "(00.083874) pie: 1: Error (criu/pie/util-vdso.c:107): vdso: Invalid ELF magic"
	if got := firstError(strings.NewReader(restorer)); got != "pie/util-vdso.c:107: vdso: Invalid ELF magic" {
		t.Errorf("got %q", got)
	}
	for _, text := range []string{"", "no error", "(00.1) Error without a place"} {
		if got := firstError(strings.NewReader(text)); got != "" {
			t.Errorf("%q: got %q", text, got)
		}
	}
	if got := Explain("another error"); got != (Cause{}) {
		t.Errorf("got %+v", got)
	}
}

func FuzzFirstError(f *testing.F) {
	f.Add("(00.123456) Error (criu/sk-inet.c:137): inet: Unsupported proto 262\n")
	f.Add("(00.1)  -1: Error (x): \xff\x00\n")
	f.Fuzz(func(t *testing.T, log string) {
		if got := firstError(strings.NewReader(log)); len(got) > maxError || strings.ContainsAny(got, "\n\x00") {
			t.Errorf("got %q", got)
		}
	})
}
