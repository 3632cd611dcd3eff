package guard

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/freezertest"
)

// TestMain runs this program as a watchdog, or as a service that dies, when a test starts it so.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case WatchdogCommand:
			os.Exit(Watchdog(os.Stdin, os.Stdout))
		case "service":
			service(os.Args[2], freezer.Cgroup{Version: os.Args[3], Path: os.Args[4]}, os.Args[5], os.Args[6])
		}
	}
	os.Exit(m.Run())
}

// Stand-ins for CRIU: shell scripts with the value that freezes, the file for it, and a directory.
const (
	// endless freezes again without an end.
	endless = `while :; do echo "$0" > "$1"; /bin/sleep 0.01; done`
	// ending freezes again until the test creates a file, and then once more before it ends.
	ending = `while [ ! -e "$2/end" ]; do echo "$0" > "$1"; /bin/sleep 0.01; done; echo "$0" > "$1"; echo ended > "$2/ended"`
)

// service freezes a cgroup, starts a process of CRIU that freezes it again, and waits to be killed.
func service(dir string, cgroup freezer.Cgroup, limit, script string) {
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	entry, err := NewEntry("cp", dir+"/work", []freezer.Cgroup{cgroup})
	fail(err)
	fail(os.MkdirAll(entry.Directory, 0o700))
	duration, err := time.ParseDuration(limit)
	fail(err)
	g, err := Begin(Journal(dir+"/journal"), entry, duration, "/proc/self/exe", WatchdogCommand)
	fail(err)
	fail(freezer.Freeze(context.Background(), entry.Cgroups))
	file, value := "cgroup.freeze", "1"
	if cgroup.Version == freezer.V1 {
		file, value = "freezer.state", "FROZEN"
	}
	// Like CRIU, it has no environment.
	command := exec.Command("/usr/bin/env", "-i", "/bin/sh", "-c", script, value, filepath.Join(cgroup.Path, file), dir)
	command.Env = criu.Environment(entry.Mark, "")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: g.Entry.Group}
	fail(command.Start())
	fmt.Println("frozen")
	select {}
}

// start runs the service until the cgroup is frozen.
func start(t *testing.T, dir string, group freezertest.Group, limit, script string) *exec.Cmd {
	t.Helper()
	command := exec.Command("/proc/self/exe", "service", dir, group.Version, group.Path, limit, script)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line := make([]byte, len("frozen\n"))
	if _, err := output.Read(line); err != nil || string(line) != "frozen\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	group.Stands(t)
	return command
}

// each runs a test with each hierarchy of this machine.
func each(t *testing.T, run func(t *testing.T, group freezertest.Group)) {
	for version, parent := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			run(t, freezertest.New(t, version, parent, fmt.Sprintf("guard-test-%d", os.Getpid())))
		})
	}
}

func TestWatchdogThawsWhenTheServiceDies(t *testing.T) {
	each(t, func(t *testing.T, group freezertest.Group) {
		dir := t.TempDir()
		service := start(t, dir, group, "1h", ending)
		_ = service.Process.Kill()
		_ = service.Wait()
		endsByItself(t, dir, group)
		group.Counts(t)
		calmDown(t, group)
	})
}

// endsByItself checks that CRIU is not killed, and lets it end.
func endsByItself(t *testing.T, dir string, group freezertest.Group) {
	t.Helper()
	time.Sleep(300 * time.Millisecond)
	group.Stands(t)
	if err := os.WriteFile(dir+"/end", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(dir + "/ended"); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("CRIU was killed before its limit")
		}
	}
}

func TestWatchdogKillsCRIUAtTheLimitAfterTheServiceDied(t *testing.T) {
	each(t, func(t *testing.T, group freezertest.Group) {
		service := start(t, t.TempDir(), group, "2s", endless)
		_ = service.Process.Kill()
		group.Counts(t)
		calmDown(t, group)
	})
}

func TestWatchdogThawsAtTheLimitWhileTheServiceHangs(t *testing.T) {
	each(t, func(t *testing.T, group freezertest.Group) {
		start(t, t.TempDir(), group, "300ms", endless)
		group.Counts(t)
		calmDown(t, group)
	})
}

// calmDown waits until nothing freezes the cgroup again.
func calmDown(t *testing.T, group freezertest.Group) {
	t.Helper()
	for range 20 {
		group.Counts(t)
		time.Sleep(20 * time.Millisecond)
	}
}

func TestRecoverThawsWhatServiceAndWatchdogLeft(t *testing.T) {
	t.Run("CRIU ends", func(t *testing.T) { recovers(t, "1h", ending) })
	t.Run("CRIU does not end", func(t *testing.T) { recovers(t, "4s", endless) })
}

func recovers(t *testing.T, limit, script string) {
	each(t, func(t *testing.T, group freezertest.Group) {
		dir := t.TempDir()
		service := start(t, dir, group, limit, script)
		// The watchdog first: it would act on the service's death.
		watchdogs, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range watchdogs {
			text, _ := os.ReadFile(name)
			pid := strings.Split(name, "/")[2]
			stat, _ := os.ReadFile("/proc/" + pid + "/stat")
			if strings.Contains(string(text), "\x00"+WatchdogCommand+"\x00") && strings.Contains(string(stat), fmt.Sprintf(" %d ", service.Process.Pid)) {
				if err := exec.Command("kill", "-KILL", pid).Run(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = service.Process.Kill()
		_ = service.Wait()
		group.Stands(t)
		journal := Journal(dir + "/journal")
		if script == ending {
			time.AfterFunc(200*time.Millisecond, func() { _ = os.WriteFile(dir+"/end", nil, 0o600) })
		}
		recovered, err := journal.Recover(context.Background())
		if _, statError := os.Stat(dir + "/ended"); (statError == nil) != (script == ending) {
			t.Errorf("CRIU ended by itself: %v", statError)
		}
		if err != nil || len(recovered) != 1 || recovered[0] != "cp" {
			t.Fatalf("got %v, %v", recovered, err)
		}
		calmDown(t, group)
		if _, err := os.Stat(dir + "/work"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the incomplete directory is left: %v", err)
		}
		if again, err := journal.Recover(context.Background()); err != nil || len(again) > 0 {
			t.Errorf("got %v, %v", again, err)
		}
	})
}

func TestEndAfterTheWatchdogActed(t *testing.T) {
	journal := Journal(t.TempDir())
	entry, err := NewEntry("cp", "/nonexistent/work", nil)
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[time.Duration]error{time.Hour: nil, time.Millisecond: ErrReleased} {
		g, err := Begin(journal, entry, limit, "/proc/self/exe", WatchdogCommand)
		if err != nil {
			t.Fatal(err)
		}
		if limit < time.Hour {
			<-g.Died()
		}
		if err := g.End(); !errors.Is(err, want) {
			t.Errorf("%v: got %v", limit, err)
		}
		if names, _ := filepath.Glob(string(journal) + "/*"); len(names) > 0 {
			t.Errorf("%v: the journal has %v", limit, names)
		}
	}
	if _, err := Begin(journal, entry, time.Hour, "/bin/true"); err == nil {
		t.Error("a watchdog that ends at once is accepted")
	}
	if names, _ := filepath.Glob(string(journal) + "/*"); len(names) > 0 {
		t.Errorf("the journal has %v", names)
	}
}

func TestExtendSaysWhetherTheWatchdogActed(t *testing.T) {
	entry, err := NewEntry("cp", "/nonexistent/work", nil)
	if err != nil {
		t.Fatal(err)
	}
	begin := func(limit time.Duration) *Guard {
		g, err := Begin(Journal(t.TempDir()), entry, limit, "/proc/self/exe", WatchdogCommand)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	long := begin(time.Hour)
	for range 2 {
		if err := long.Extend(time.Hour); err != nil {
			t.Error(err)
		}
	}
	if err := long.End(); err != nil {
		t.Error(err)
	}
	short := begin(time.Millisecond)
	<-short.Died()
	if err := short.Extend(time.Hour); !errors.Is(err, ErrReleased) {
		t.Errorf("after the watchdog acted: got %v", err)
	}
	killed := begin(time.Hour)
	_ = killed.command.Process.Kill()
	<-killed.Died()
	if err := killed.Extend(time.Hour); err == nil || errors.Is(err, ErrReleased) {
		t.Errorf("after the watchdog was killed: got %v", err)
	}
	if err := killed.End(); err != nil {
		t.Error(err)
	}
	if err := short.End(); !errors.Is(err, ErrReleased) {
		t.Errorf("got %v", err)
	}
}

func TestAWatchdogThatDoesNotAnswerIsKilled(t *testing.T) {
	entry, err := NewEntry("cp", "/nonexistent/work", nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Begin(Journal(t.TempDir()), entry, time.Hour, "/proc/self/exe", WatchdogCommand)
	if err != nil {
		t.Fatal(err)
	}
	before := answerTime
	answerTime = 200 * time.Millisecond
	t.Cleanup(func() { answerTime = before })
	if err := g.command.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := g.Extend(time.Hour); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("got %v", err)
	}
	<-g.Died()
	if err := g.End(); err != nil {
		t.Error(err)
	}
	answerTime = before
	if g, err = Begin(Journal(t.TempDir()), entry, time.Hour, "/proc/self/exe", WatchdogCommand); err != nil {
		t.Fatal(err)
	}
	answerTime = 200 * time.Millisecond
	if err := errors.Join(g.command.Process.Signal(syscall.SIGSTOP), g.End()); err != nil {
		t.Error(err)
	}
}

func TestRecoverReportsWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	journal := Journal(dir)
	other, err := NewEntry("other-boot", dir+"/other", []freezer.Cgroup{{Version: freezer.V2, Path: freezer.Root + "/missing"}})
	if err != nil {
		t.Fatal(err)
	}
	other.BootID = "another"
	if err := errors.Join(journal.write(&other), os.Mkdir(other.Directory, 0o700), os.WriteFile(dir+"/bad.json", []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	recovered, err := journal.Recover(context.Background())
	if len(recovered) != 1 || recovered[0] != "other-boot" || err == nil || !strings.Contains(err.Error(), "bad.json") {
		t.Errorf("got %v, %v", recovered, err)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte(`{"version":1,"uid":"a","bootID":"b","mark":"m","group":7,"serviceCgroup":"0::/x\n","cgroups":[{"version":"v2","path":"/sys/fs/cgroup/a"}],"directory":"/x"}`))
	f.Add([]byte(`{"version":1,"uid":"..","mark":"m","cgroups":[{"version":"v1","path":"/sys/fs/cgroup/../x"}],"directory":"/x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		entry, err := parse(data)
		if err != nil {
			return
		}
		for _, each := range entry.Cgroups {
			if !strings.HasPrefix(filepath.Clean(each.Path), freezer.Root+"/") {
				t.Errorf("cgroup %q", each.Path)
			}
		}
		if strings.Contains(entry.UID, "/") || entry.Mark == "" {
			t.Errorf("got %+v", entry)
		}
	})
}
