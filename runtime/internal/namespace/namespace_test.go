package namespace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// firstThread makes this program a process whose first thread is in another network namespace, as a goroutine that enters
// a namespace can leave it. Package initialization runs on that thread.
// The variable has the PID of a process in the node's namespace.
const firstThread = "CEDANA_TEST_FIRST_THREAD"

func init() {
	pid, err := strconv.Atoi(os.Getenv(firstThread))
	if err != nil {
		return
	}
	if unix.Unshare(unix.CLONE_NEWNET) != nil {
		os.Exit(2)
	}
	result := make(chan bool)
	// The initializing goroutine keeps the first thread.
	go func() {
		same, err := Network.IsNodes(Network.Of(pid))
		result <- same && err == nil
	}()
	if !<-result {
		os.Exit(1)
	}
	os.Exit(0)
}

func TestNamespaceOfTheNodeIsThatOfTheCallingThread(t *testing.T) {
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", firstThread, other.Process.Pid))
	err := command.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 2 {
		t.Skip("cannot create a network namespace")
	}
	if err != nil {
		t.Errorf("a process in the node's namespace counts as one in another: %v", err)
	}
}
