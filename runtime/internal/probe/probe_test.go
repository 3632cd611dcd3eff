package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/freezertest"
	"cedana.ai/cdk/runtime/internal/pod"
	"golang.org/x/sys/unix"
)

// TestMain runs this program as a process of a container when a test starts it so.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "open" {
		err := open(os.Args[2:])
		fmt.Println("ready", err)
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// opened keeps what a process has open.
var opened []any

func open(args []string) error {
	listen := func(network, address string, multipath bool) (net.Listener, error) {
		config := net.ListenConfig{}
		config.SetMultipathTCP(multipath)
		listener, err := config.Listen(context.Background(), network, address)
		opened = append(opened, listener)
		return listener, err
	}
	dial := func(network, address string) error {
		connection, err := net.Dial(network, address)
		opened = append(opened, connection)
		return err
	}
	switch args[0] {
	case "nothing":
		return nil
	case "tcp", "mptcp":
		listener, err := listen("tcp", "127.0.0.1:0", args[0] == "mptcp")
		if err != nil || args[0] == "mptcp" {
			return err
		}
		return dial("tcp", listener.Addr().String())
	case "unix-own":
		if _, err := listen("unix", args[1], false); err != nil {
			return err
		}
		return dial("unix", args[1])
	case "unix-listen":
		_, err := listen("unix", args[1], false)
		return err
	case "unix-dial":
		return dial("unix", args[1])
	case "io_uring":
		// The parameters of io_uring_setup(2) are 120 bytes.
		var params [120]byte
		_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptrOf(&params), 0)
		if errno != 0 {
			return errno
		}
		return nil
	case "inotify":
		fd, err := unix.InotifyInit1(0)
		if err != nil {
			return err
		}
		_, err = unix.InotifyAddWatch(fd, args[1], unix.IN_CREATE)
		return err
	default:
		return fmt.Errorf("unknown argument %s", args[0])
	}
}

// container starts a process in a new cgroup.
func container(t *testing.T, name string, args ...string) pod.Container {
	t.Helper()
	for version, parent := range freezertest.Hierarchies(t) {
		group := freezertest.New(t, version, parent, fmt.Sprintf("probe-test-%d-%s", os.Getpid(), name))
		command := exec.Command("/proc/self/exe", append([]string{"open"}, args...)...)
		stdin, err := command.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			stdin.Close()
			_ = command.Wait()
		})
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if err != nil || line != "ready <nil>\n" {
			t.Skipf("%v: this machine cannot do it: %q, %v", args, line, err)
		}
		if err := os.WriteFile(filepath.Join(group.Path, "cgroup.procs"), fmt.Append(nil, command.Process.Pid), 0); err != nil {
			t.Fatal(err)
		}
		return pod.Container{Name: name, PID: command.Process.Pid, Cgroup: group.Cgroup}
	}
	return pod.Container{}
}

func messages(problems []Problem) string {
	list := []string{}
	for _, each := range problems {
		if each.Remedy == "" {
			list = append(list, "no remedy")
		}
		list = append(list, each.Container+": "+each.Message)
	}
	return strings.Join(list, "; ")
}

func TestProblemsOfOneContainer(t *testing.T) {
	for _, each := range []struct {
		args        []string
		established bool
		want        string
	}{
		{[]string{"nothing"}, true, ""},
		{[]string{"tcp"}, false, ""},
		{[]string{"tcp"}, true, "has an established TCP connection"},
		{[]string{"mptcp"}, false, "has an MPTCP socket"},
		{[]string{"unix-own", filepath.Join(t.TempDir(), "s")}, true, ""},
		{[]string{"io_uring"}, false, "uses io_uring"},
		{[]string{"inotify", "/"}, false, "watches a file of the image"},
		{[]string{"inotify", "/proc"}, false, ""},
	} {
		t.Run(strings.Join(each.args[:1], "")+fmt.Sprint(each.established), func(t *testing.T) {
			got := messages(Check([]pod.Container{container(t, "app", each.args...)}, each.established))
			if each.want == "" && got != "" || !strings.Contains(got, each.want) || strings.Contains(got, "no remedy") {
				t.Errorf("got %q, want %q", got, each.want)
			}
			if each.want != "" && (!strings.HasPrefix(got, "app: process ") || strings.Contains(got, ";")) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestUnixStreamBetweenContainers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	server := container(t, "server", "unix-listen", path)
	client := container(t, "client", "unix-dial", path)
	if got := messages(Check([]pod.Container{client, server}, false)); !strings.Contains(got, "client: process") || !strings.Contains(got, "to container server") {
		t.Errorf("got %q", got)
	}
}

func TestSharedMemorySegmentsOfSeveralContainers(t *testing.T) {
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		t.Skipf("this machine has no SysV memory: %v", err)
	}
	defer unix.SysvShmCtl(id, unix.IPC_RMID, nil)
	one, two := container(t, "one", "nothing"), container(t, "two", "nothing")
	if got := messages(Check([]pod.Container{one, two}, false)); !strings.Contains(got, "SysV") {
		t.Errorf("got %q", got)
	}
	if got := messages(Check([]pod.Container{one}, false)); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestWatches(t *testing.T) {
	text := "pos:\t0\nflags:\t00\ninotify wd:2 ino:5a sdev:30 mask:800afce ignored_mask:0\ninotify wd:1 ino:3f sdev:fe00001 mask:2\n"
	for device, want := range map[uint64]bool{0x30: true, 0xfe00001: true, 0x31: false} {
		if got := watches(text, device); got != want {
			t.Errorf("%x: got %v", device, got)
		}
	}
}

func FuzzWatches(f *testing.F) {
	f.Add("inotify wd:1 ino:3f sdev:30 mask:2\n", uint64(0x30))
	f.Fuzz(func(t *testing.T, text string, device uint64) { watches(text, device) })
}
