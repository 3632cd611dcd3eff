package wrapper

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/proc"
	"golang.org/x/sys/unix"
)

// TestMain makes the test program a wrapper if a test starts it as one.
func TestMain(m *testing.M) {
	if runtime := os.Getenv("TEST_WRAPPER_RUNTIME"); runtime != "" {
		system := Host()
		system.RuntimeFile, system.Runtimes = "/none", []string{runtime}
		os.Exit(Main(system, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func program(t testing.TB, path, text string) string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755))
	return path
}

// fixture is a system in a temporary directory that records what it executes.
type fixture struct {
	System
	directory string
	executed  []string
}

func open(t testing.TB) *fixture {
	t.Helper()
	directory := t.TempDir()
	f := &fixture{directory: directory}
	f.System = System{
		RuntimeFile: filepath.Join(directory, "etc/runtime"), FolderFile: filepath.Join(directory, "etc/folder"),
		Runtimes: []string{filepath.Join(directory, "none"), program(t, filepath.Join(directory, "runc"), "")},
		Folder:   filepath.Join(directory, "opt"), Marks: filepath.Join(directory, "run/restored"),
		Plans: filepath.Join(directory, "plans"), Self: program(t, filepath.Join(directory, "self"), ""),
		Exec: func(path string, args, _ []string) error {
			f.executed = append([]string{path}, args...)
			return errors.New("executed")
		},
	}
	must(t, os.MkdirAll(filepath.Join(directory, "etc"), 0o700))
	return f
}

func (f *fixture) path(name string) string { return filepath.Join(f.directory, name) }

// bundle writes a config.json with these annotations.
func (f *fixture) bundle(t testing.TB, annotations map[string]string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"annotations": annotations})
	must(t, err)
	must(t, os.MkdirAll(f.path("bundle"), 0o700))
	must(t, os.WriteFile(f.path("bundle/config.json"), text, 0o600))
	return f.path("bundle")
}

var restored = map[string]string{
	oci.RestoreAnnotation: "", "io.kubernetes.cri.container-type": "container",
	"io.kubernetes.cri.container-name": "app", "io.kubernetes.cri.sandbox-uid": "pod-1",
}

func TestEveryCallReachesTheRuntimeUnchanged(t *testing.T) {
	f := open(t)
	bundle := f.bundle(t, nil)
	for _, args := range [][]string{
		{}, {"--version"}, {"features"}, {"--root", "/r", "kill", "x", "9"}, {"start", "x"}, {"delete", "--force", "x"},
		{"create", "--bundle", bundle, "x"}, {"create", "--bundle", f.path("missing"), "x"}, {"create", "--unknown", "x"},
	} {
		if status := Main(f.System, args); status != 1 {
			t.Errorf("%q: status %d although the runtime was not executed", args, status)
		}
		want := append([]string{f.path("runc"), f.path("runc")}, args...)
		if !slices.Equal(f.executed, want) {
			t.Errorf("%q: executed %q", args, f.executed)
		}
	}
}

func TestTheRuntimeIsThatOfTheFileOfRoot(t *testing.T) {
	other := func(f *fixture) string { return program(t, f.path("nvidia"), "") }
	for name, each := range map[string]struct {
		prepare func(*fixture)
		want    string
	}{
		"set":      {func(f *fixture) { must(t, os.WriteFile(f.RuntimeFile, []byte(other(f)+"\n"), 0o644)) }, "nvidia"},
		"relative": {func(f *fixture) { must(t, os.WriteFile(f.RuntimeFile, []byte("nvidia"), 0o644)) }, "runc"},
		"missing":  {func(f *fixture) { must(t, os.WriteFile(f.RuntimeFile, []byte("/none/x"), 0o644)) }, "runc"},
		"itself":   {func(f *fixture) { must(t, os.WriteFile(f.RuntimeFile, []byte(f.Self), 0o644)) }, "runc"},
		"writable": {func(f *fixture) {
			must(t, os.WriteFile(f.RuntimeFile, []byte(other(f)), 0o644))
			must(t, os.Chmod(f.RuntimeFile, 0o666))
		}, "runc"},
		"link": {func(f *fixture) {
			must(t, os.WriteFile(f.path("elsewhere"), []byte(other(f)), 0o644))
			must(t, os.Symlink(f.path("elsewhere"), f.RuntimeFile))
		}, "runc"},
		"fifo": {func(f *fixture) { must(t, unix.Mkfifo(f.RuntimeFile, 0o600)) }, "runc"},
	} {
		f := open(t)
		each.prepare(f)
		if got, err := f.realRuntime(); err != nil || got != f.path(each.want) {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
	f := open(t)
	f.Runtimes = []string{f.Self}
	if got, err := f.realRuntime(); err == nil {
		t.Errorf("got %s, which is the wrapper", got)
	}
}

func TestARestoredContainerIsNotStartedAgain(t *testing.T) {
	f := open(t)
	call := oci.Call{Root: "/r", ID: "x"}
	unstarted := f.path("unstarted")
	must(t, f.mark(call, unstarted))
	must(t, os.WriteFile(unstarted, nil, 0o600))
	if status := Main(f.System, []string{"--root", "/r", "start", "x"}); status != 0 || f.executed != nil {
		t.Errorf("status %d, executed %q", status, f.executed)
	}
	if _, err := os.Stat(unstarted); err == nil {
		t.Error("the start is not recorded")
	}
	// A directory that is not empty cannot be removed: a start that is not recorded fails.
	must(t, os.MkdirAll(unstarted+"/x", 0o700))
	if status := Main(f.System, []string{"--root", "/r", "start", "x"}); status != 1 || f.executed != nil {
		t.Errorf("status %d, executed %q", status, f.executed)
	}
	for _, args := range [][]string{{"--root", "/other", "start", "x"}, {"--root", "/r", "start", "y"}} {
		f.executed = nil
		if Main(f.System, args); f.executed == nil {
			t.Errorf("%q did not reach the runtime", args)
		}
	}
	Main(f.System, []string{"--root", "/r", "delete", "x"})
	if f.marked(call) || !slices.Contains(f.executed, "delete") {
		t.Errorf("the mark is left, or the runtime did not delete: %q", f.executed)
	}
}

// containerd ends a container so whose start it could not complete.
func TestARestoredContainerThatIsKilledAtItsStartWasNotStarted(t *testing.T) {
	f := open(t)
	root, unstarted := f.path("state"), f.path("unstarted")
	in := func(root string, args ...string) []string { return append([]string{"--root", root}, args...) }
	start, kill, stop := in(root, "start", "x"), in(root, "kill", "--all", "x", "9"), in(root, "kill", "x", "15")
	self, err := proc.ReadStat(os.Getpid())
	must(t, err)
	for name, each := range map[string]struct {
		calls [][]string
		// age is the time since the start.
		age       time.Duration
		ended     bool
		unstarted bool
	}{
		"killed after the start":     {[][]string{start, kill}, 0, false, true},
		"killed before the start":    {[][]string{kill, start}, 0, false, true},
		"killed by name":             {[][]string{start, in(root, "kill", "x", "SIGKILL")}, 0, false, true},
		"started":                    {[][]string{start}, 0, false, false},
		"ended by itself":            {[][]string{start, kill}, 0, true, false},
		"stopped":                    {[][]string{start, stop}, 0, false, false},
		"stopped, then killed":       {[][]string{start, stop, kill}, 0, false, false},
		"stopped without a signal":   {[][]string{start, in(root, "kill", "x")}, 0, false, false},
		"killed later":               {[][]string{start, kill}, startLimit, false, false},
		"another container is ended": {[][]string{start, in(root, "kill", "y", "9")}, 0, false, false},
		"another root":               {[][]string{start, in("/other", "kill", "x", "9")}, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			begin := self.Start
			if each.ended {
				begin++
			}
			must(t, os.MkdirAll(filepath.Join(root, "x"), 0o700))
			state := fmt.Sprintf(`{"init_process_pid": %d, "init_process_start": %d}`, os.Getpid(), begin)
			must(t, os.WriteFile(filepath.Join(root, "x/state.json"), []byte(state), 0o600))
			must(t, f.mark(oci.Call{Root: root, ID: "x"}, unstarted))
			must(t, os.WriteFile(unstarted, nil, 0o600))
			for _, args := range each.calls {
				f.executed = nil
				Main(f.System, args)
				if reached := f.executed != nil; reached != slices.Contains(args, "kill") {
					t.Errorf("%q reached the runtime: %v", args, reached)
				}
				if slices.Equal(args, start) {
					at := time.Now().Add(-each.age)
					must(t, os.Chtimes(filepath.Join(f.Marks, "x"), at, at))
				}
			}
			if _, err := os.Stat(unstarted); (err == nil) != each.unstarted {
				t.Errorf("not started: %v", err == nil)
			}
		})
	}
}

func TestCreateOfARestoredPodGoesToTheInstalledProgram(t *testing.T) {
	f := open(t)
	args := []string{"create", "--bundle", f.bundle(t, restored), "x"}
	Main(f.System, args)
	if f.executed[0] != f.path("runc") {
		t.Errorf("with nothing installed: executed %q", f.executed)
	}
	// The temporary directory is below one that all may write to, but with the sticky bit.
	installed := program(t, f.path("opt/versions/1/bin/cedana-node"), "")
	must(t, os.Symlink("versions/1", f.path("opt/current")))
	calls := [][]string{}
	exec := f.Exec
	f.Exec = func(path string, args, environment []string) error {
		calls = append(calls, append([]string{path}, args...))
		return exec(path, args, environment)
	}
	Main(f.System, args)
	want := append([]string{installed, Name}, args...)
	// An installed program that does not start must not keep the container from starting.
	if len(calls) != 2 || !slices.Equal(calls[0], want) || calls[1][0] != f.path("runc") {
		t.Errorf("executed %q", calls)
	}
	must(t, os.Chmod(installed, 0o777))
	calls = nil
	if Main(f.System, args); len(calls) != 1 || calls[0][0] != f.path("runc") {
		t.Errorf("a program that all may change was executed: %q", calls)
	}
}

func TestAnErrorIsWrittenWhereTheShimReadsIt(t *testing.T) {
	f := open(t)
	f.Runtimes = nil
	log := f.path("log.json")
	if status := Main(f.System, []string{"--log", log, "--log-format", "json", "start", "x"}); status != 1 {
		t.Errorf("status %d", status)
	}
	text, err := os.ReadFile(log)
	must(t, err)
	var line struct{ Level, Msg string }
	must(t, json.Unmarshal(text, &line))
	if line.Level != "error" || !strings.Contains(line.Msg, "no OCI runtime") {
		t.Errorf("got %s", text)
	}
}

// Go raises the soft limit of open files of its own process: a container must not inherit that.
func TestTheRuntimeGetsTheLimitsAndStreamsOfTheCall(t *testing.T) {
	f := open(t)
	runtime := program(t, f.path("limits"), `ulimit -Sn; echo "$@"; cat; exit 7`)
	self, err := os.Executable()
	must(t, err)
	command := exec.Command("/bin/sh", "-c", `ulimit -Sn 99; exec "$0" features --x`, self)
	command.Env = append(os.Environ(), "TEST_WRAPPER_RUNTIME="+runtime)
	command.Stdin = strings.NewReader("stdin\n")
	output, err := command.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Fatalf("got %v", err)
	}
	direct := exec.Command(runtime, "features", "--x")
	direct.Stdin = strings.NewReader("stdin\n")
	expected, _ := direct.Output()
	lines, want := strings.Split(string(output), "\n"), strings.Split(string(expected), "\n")
	want[0] = "99"
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

// TestTheRuntimeGetsTheDescriptorsOfTheCaller: one of the node that is left open leads out of a container (CVE-2024-21626).
func TestTheRuntimeGetsTheDescriptorsOfTheCaller(t *testing.T) {
	f := open(t)
	bundle := f.bundle(t, nil)
	runtime := program(t, f.path("listing"), "for each in /proc/$$/fd/*; do echo ${each##*/} $(readlink $each); done")
	run := func(command *exec.Cmd) string {
		command.Env = append(os.Environ(), "TEST_WRAPPER_RUNTIME="+runtime)
		command.Dir = f.directory
		output, err := command.Output()
		must(t, err)
		// The number of the pipe of the output differs.
		return regexp.MustCompile(`pipe:\[\d+\]`).ReplaceAllString(string(output), "pipe")
	}
	args := []string{"create", "--bundle", bundle, "x"}
	if got, want := run(exec.Command("/proc/self/exe", args...)), run(exec.Command(runtime, args...)); got != want || want == "" {
		t.Errorf("the runtime has\n%s\nnot\n%s", got, want)
	}
}
