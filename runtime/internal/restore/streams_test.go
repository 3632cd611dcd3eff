package restore

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain makes the test program CRIU, or a wrapper that runs a runtime, if a test starts it as one.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == CRIUName {
		os.Exit(RunCRIU(os.Args[1:]))
	}
	if work := os.Getenv("TEST_RESTORE_WORK"); work != "" {
		command := exec.Command("/bin/sh", "-c", "echo of the runtime; echo error of the runtime >&2; criu swrk 3 <&0 & wait $!")
		command.Env = []string{"PATH=" + os.Getenv("TEST_RESTORE_PATH"), "OTHER=kept"}
		output, err := hideStreams(command, work)
		if err == nil {
			err = command.Run()
			output.Close()
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// wrapper runs a wrapper whose runtime calls criu, with these programs in its PATH.
func wrapper(t *testing.T, path string) (output, hidden string, err error) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	work := t.TempDir()
	command := exec.Command(self)
	command.Env = []string{"TEST_RESTORE_WORK=" + work, "TEST_RESTORE_PATH=" + path}
	command.Stdin = strings.NewReader("input of the container\n")
	text, err := command.Output()
	file, readErr := os.ReadFile(filepath.Join(work, "runtime.out"))
	must(t, readErr)
	return string(text), string(file), err
}

func TestCRIUHasTheStreamsAndTheRuntimeHasNot(t *testing.T) {
	programs := t.TempDir()
	script := "#!/bin/sh\necho of criu: $*, $OTHER; cat; echo $PATH; env | grep CEDANA\nexit 0\n"
	must(t, os.WriteFile(filepath.Join(programs, "criu"), []byte(script), 0o755))
	path := programs + ":/usr/bin:/bin"
	output, hidden, err := wrapper(t, path)
	must(t, err)
	if want := "of criu: swrk 3, kept\ninput of the container\n" + path + "\n"; output != want {
		t.Errorf("the container got %q, want %q", output, want)
	}
	if want := "of the runtime\nerror of the runtime\n"; hidden != want {
		t.Errorf("the file has %q, want %q", hidden, want)
	}
}

func TestWithoutCRIUTheRuntimeFails(t *testing.T) {
	if _, _, err := wrapper(t, "/none"); err == nil {
		t.Error("no error")
	}
	// This program must not find itself.
	self, err := os.Executable()
	must(t, err)
	programs := t.TempDir()
	must(t, os.Symlink(self, filepath.Join(programs, "criu")))
	if _, _, err := wrapper(t, programs); err == nil {
		t.Error("no error although CRIU is this program")
	}
}

func TestCRIUEndsWithTheRuntime(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	programs := t.TempDir()
	must(t, os.WriteFile(filepath.Join(programs, "criu"), []byte("#!/bin/sh\necho $$ $PPID\nexec sleep 1000\n"), 0o755))
	command := exec.Command(self)
	command.Env = []string{"TEST_RESTORE_WORK=" + t.TempDir(), "TEST_RESTORE_PATH=" + programs + ":/usr/bin:/bin"}
	output, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	var criu, runtime int
	_, err = fmt.Fscan(output, &criu, &runtime)
	must(t, err)
	must(t, unix.Kill(runtime, unix.SIGKILL))
	// The pipe is closed when the last process that has it ends.
	_, err = io.ReadAll(output)
	must(t, err)
	_ = command.Wait()
}
