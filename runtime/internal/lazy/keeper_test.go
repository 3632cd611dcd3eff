package lazy

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain makes the test program the server of a keeper, or what the keeper executes.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "keeper-server":
		keeperServer()
	case len(os.Args) == 3 && os.Args[1] == "keeper-killer":
		keeperKiller(os.Args[2])
	default:
		os.Exit(m.Run())
	}
}

// keptDescriptor is that of a file that the server opens after the keeper started.
const keptDescriptor = 200

func keeperServer() {
	pid, err := startKeeper([]string{"test", "keeper-killer", strconv.Itoa(os.Getpid())})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	file, err := os.Open("/proc/self/status")
	if err == nil {
		err = unix.Dup3(int(file.Fd()), keptDescriptor, unix.O_CLOEXEC)
	}
	fmt.Println("keeper", pid, err)
	select {}
}

func keeperKiller(server string) {
	_, err := unix.FcntlInt(keptDescriptor, unix.F_GETFD, 0)
	pid, _ := strconv.Atoi(server)
	fmt.Println("killer", err, unix.Kill(pid, 0) == unix.ESRCH || zombie(pid))
}

// zombie says if a process has ended and its parent has not waited for it yet (proc_pid_stat(5)).
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(text), ") Z ")
}

func TestTheKeeperHasAllDescriptorsAfterTheDeathOfTheServer(t *testing.T) {
	command := exec.Command("/proc/self/exe", "keeper-server")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(output)
	line, err := reader.ReadString('\n')
	var keeper int
	if _, scanErr := fmt.Sscanf(line, "keeper %d <nil>", &keeper); err != nil || scanErr != nil {
		t.Fatalf("the server wrote %q, %v", line, err)
	}
	// It blocks all signals that can be blocked.
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGURG} {
		if err := unix.Kill(keeper, signal); err != nil {
			t.Fatal(err)
		}
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if line, err = reader.ReadString('\n'); line != "killer <nil> true\n" {
		t.Errorf("the keeper's program wrote %q, %v", line, err)
	}
	_ = command.Wait()
}
