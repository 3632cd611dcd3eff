package restore

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// sleeper starts a process with a child, and returns a directory that looks like their cgroup.
func sleeper(t *testing.T) (command *exec.Cmd, cgroup string) {
	t.Helper()
	command = exec.Command("/bin/sh", "-c", "sleep 1000 & echo; wait")
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	_, err = output.Read(make([]byte, 1))
	must(t, err)
	cgroup = t.TempDir()
	must(t, os.Mkdir(filepath.Join(cgroup, "inside"), 0o700))
	children := descendants(command.Process.Pid)
	if len(children) != 1 {
		t.Fatalf("the process has the children %v", children)
	}
	must(t, os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), fmt.Appendln(nil, command.Process.Pid), 0o600))
	must(t, os.WriteFile(filepath.Join(cgroup, "inside/cgroup.procs"), fmt.Appendln(nil, children[0]), 0o600))
	return command, cgroup
}

func TestProcessesOfACgroupAndThoseBelowIt(t *testing.T) {
	command, cgroup := sleeper(t)
	found := cgroupProcesses(cgroup)
	if len(found) != 2 || !slices.Contains(found, command.Process.Pid) {
		t.Errorf("got %v", found)
	}
	score := 500
	setOOMScore(cgroup, &score)
	for _, pid := range found {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		must(t, err)
		if string(text) != strconv.Itoa(score)+"\n" {
			t.Errorf("process %d has the score %s", pid, text)
		}
	}
	killCgroup(cgroup)
	if err := command.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	for _, none := range []string{"", filepath.Join(cgroup, "none")} {
		if got := cgroupProcesses(none); len(got) > 0 {
			t.Errorf("%q: got %v", none, got)
		}
	}
}

func TestTheMessageOfTheRuntimesLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for text, want := range map[string]string{
		"": "", "text\n": "text", "{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"error\",\"msg\":\"criu failed\"}\n": "criu failed",
	} {
		must(t, os.WriteFile(log, []byte(text), 0o600))
		if got := lastLine(log); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
	if got := lastLine(log + "-none"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestWaitRemovedEndsWithTheDirectoryOrAtTheLimit(t *testing.T) {
	cgroup := filepath.Join(t.TempDir(), "scope")
	must(t, os.Mkdir(cgroup, 0o700))
	removed := make(chan error, 1)
	go func() {
		time.Sleep(5 * killPeriod)
		removed <- os.Remove(cgroup)
	}()
	if !waitRemoved(cgroup, time.Minute) {
		t.Error("the directory was removed")
	}
	must(t, <-removed)
	if waitRemoved(t.TempDir(), 5*killPeriod) {
		t.Error("the directory is still there")
	}
	if !waitRemoved("", time.Minute) {
		t.Error("there is no cgroup to wait for")
	}
}
