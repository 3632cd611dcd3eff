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
	stopped := errors.New("stopped")
	cancel(stopped)
	for name, each := range map[string]struct {
		ctx    context.Context
		limits Limits
		want   error
	}{
		"time":    {context.Background(), Limits{Time: 300 * time.Millisecond}, ErrTimeLimit},
		"log":     {context.Background(), Limits{Time: time.Minute, LogBytes: 100}, ErrLogLimit},
		"context": {cancelled, Limits{Time: 300 * time.Millisecond}, stopped},
	} {
		dir, mark := t.TempDir(), NewMark()
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

func TestRunLetsCRIUEndWhenItIsCancelled(t *testing.T) {
	stopped := errors.New("stopped")
	for status, want := range map[string]bool{"0": false, "3": true} {
		dir, mark := t.TempDir(), NewMark()
		ctx, cancel := context.WithCancelCause(context.Background())
		// It ends only after the context did, which it learns by a file.
		command := script(mark, `touch "$1/begun"; until [ -e "$1/cancelled" ]; do sleep 0.01; done; sleep 0.1; touch "$1/ended"; exit "$2"`, dir, status)
		go func() {
			for _, err := os.Stat(dir + "/begun"); err != nil; _, err = os.Stat(dir + "/begun") {
				time.Sleep(time.Millisecond)
			}
			cancel(stopped)
			_ = os.WriteFile(dir+"/cancelled", nil, 0o600)
		}()
		err := Run(ctx, command, mark, "", Limits{Time: time.Minute})
		var exit *exec.ExitError
		if !errors.Is(err, stopped) || errors.As(err, &exit) != want {
			t.Errorf("exit status %s: got %v", status, err)
		}
		if _, err := os.Stat(dir + "/ended"); err != nil {
			t.Errorf("exit status %s: CRIU did not end by itself: %v", status, err)
		}
	}
}

func TestWaitSendsNoSignal(t *testing.T) {
	mark := NewMark()
	command := script(mark, `while [ ! -e "$1/end" ]; do sleep 0.01; done; exit 5`, t.TempDir())
	dir := command.Args[len(command.Args)-1]
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if err := (Target{Mark: mark}).Wait(context.Background(), 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	if err := os.WriteFile(dir+"/end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Target{Mark: mark}).Wait(context.Background(), time.Minute); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Errorf("got %v", err)
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
