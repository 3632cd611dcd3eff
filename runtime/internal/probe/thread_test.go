package probe

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// firstThread makes this program a process whose first thread is in another network namespace, as a goroutine that enters
// a namespace can leave it. Package initialization runs on that thread.
const firstThread = "CEDANA_TEST_FIRST_THREAD"

func init() {
	if os.Getenv(firstThread) == "" {
		return
	}
	if unix.Unshare(unix.CLONE_NEWNET) != nil {
		os.Exit(2)
	}
	result := make(chan bool)
	// The initializing goroutine keeps the first thread.
	go func() { result <- isOwn(os.Getppid(), "net") }()
	if !<-result {
		os.Exit(1)
	}
	os.Exit(0)
}

func TestNamespaceOfTheNodeIsThatOfTheCallingThread(t *testing.T) {
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), firstThread+"=1")
	err := command.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 2 {
		t.Skip("cannot create a network namespace")
	}
	if err != nil {
		t.Errorf("a process in the node's namespace counts as one in another: %v", err)
	}
}
