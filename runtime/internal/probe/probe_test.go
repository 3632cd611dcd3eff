package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
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
	case "dial":
		return dial(args[1], args[2])
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
	case "userfaultfd":
		// UFFD_USER_MODE_ONLY needs no privilege.
		return call(unix.SYS_USERFAULTFD, 1, 0)
	case "memfd_secret":
		fd, _, errno := unix.Syscall(unix.SYS_MEMFD_SECRET, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		if err := unix.Ftruncate(int(fd), 4096); err != nil {
			return err
		}
		_, err := unix.Mmap(int(fd), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	case "alg":
		return call(unix.SYS_SOCKET, unix.AF_ALG, unix.SOCK_SEQPACKET)
	case "sysv-shm":
		_, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
		return err
	case "sysv-sem":
		return call(unix.SYS_SEMGET, unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0o600)
	case "sysv-msg":
		return call(unix.SYS_MSGGET, unix.IPC_PRIVATE, unix.IPC_CREAT|0o600, 0)
	case "own-address":
		count, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return openOwnAddress(args[1], count, listen, dial)
	case "eventfd":
		return call(unix.SYS_EVENTFD2, 0, 0)
	case "file":
		file, err := os.Open(args[1])
		opened = append(opened, file)
		return err
	case "listen-queue":
		listener, err := listen("tcp", "127.0.0.1:0", false)
		if err != nil {
			return err
		}
		connection, err := net.Dial("tcp", listener.Addr().String())
		return errors.Join(err, connection.Close())
	default:
		return fmt.Errorf("unknown argument %s", args[0])
	}
}

// openOwnAddress adds addresses to the network namespace of this process, and opens a socket of the last one.
func openOwnAddress(kind string, count int, listen func(string, string, bool) (net.Listener, error), dial func(string, string) error) error {
	for i := range count {
		if err := addAddress(fmt.Sprintf("lo:%d", i+1), net.IPv4(10, 9, 9, byte(i+1))); err != nil {
			return err
		}
	}
	address := fmt.Sprintf("10.9.9.%d:0", count)
	if kind == "udp" {
		connection, err := net.ListenPacket("udp", address)
		opened = append(opened, connection)
		return err
	}
	listener, err := listen("tcp", address, false)
	if err != nil || kind == "tcp-listener" {
		return err
	}
	if err := dial("tcp", listener.Addr().String()); err != nil {
		return err
	}
	accepted, err := listener.Accept()
	opened = append(opened, accepted)
	return errors.Join(err, listener.Close())
}

// addAddress adds an address to the loopback interface, and turns it on (netdevice(7)).
func addAddress(label string, address net.IP) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(label)
	if err != nil {
		return err
	}
	if err := request.SetInet4Addr(address.To4()); err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFADDR, request); err != nil {
		return err
	}
	if request, err = unix.NewIfreq("lo"); err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

func call(number, a, b uintptr, c ...uintptr) error {
	if _, _, errno := unix.Syscall(number, a, b, append(c, 0)[0]); errno != 0 {
		return errno
	}
	return nil
}

// container starts a process in a new cgroup.
func container(t *testing.T, name string, args ...string) pod.Container {
	t.Helper()
	for version, parent := range freezertest.Hierarchies(t) {
		group := freezertest.New(t, version, parent, fmt.Sprintf("probe-test-%d-%s", os.Getpid(), name))
		command := exec.Command("/proc/self/exe", append([]string{"open"}, args...)...)
		if strings.HasPrefix(args[0], "sysv-") {
			// The objects end with the namespace.
			command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWIPC}
		}
		if args[0] == "own-address" {
			command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		}
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
		args []string
		tcp  checkpoint.TCP
		want string
	}{
		{[]string{"nothing"}, checkpoint.TCPRefuse, ""},
		{[]string{"tcp"}, checkpoint.TCPClose, ""},
		{[]string{"tcp"}, checkpoint.TCPRefuse, "has an established TCP connection"},
		{[]string{"tcp"}, checkpoint.TCPLoopback, ""},
		{[]string{"own-address", "tcp-listener", "1"}, checkpoint.TCPClose, ""},
		{[]string{"own-address", "tcp-listener", "2"}, checkpoint.TCPClose, "listens on the pod's address 10.9.9.2"},
		{[]string{"own-address", "udp", "1"}, checkpoint.TCPClose, ""},
		{[]string{"own-address", "udp", "2"}, checkpoint.TCPClose, "has a socket of the pod's address 10.9.9.2"},
		{[]string{"own-address", "tcp", "1"}, checkpoint.TCPLoopback, "has a TCP connection from the pod's address "},
		{[]string{"mptcp"}, checkpoint.TCPClose, "has an MPTCP socket"},
		// The connection is not accepted.
		{[]string{"unix-own", filepath.Join(t.TempDir(), "s")}, checkpoint.TCPRefuse, ""},
		{[]string{"io_uring"}, checkpoint.TCPClose, "has an open io_uring descriptor"},
		{[]string{"userfaultfd"}, checkpoint.TCPClose, "has an open userfaultfd descriptor"},
		{[]string{"memfd_secret"}, checkpoint.TCPClose, "has memory of memfd_secret"},
		{[]string{"alg"}, checkpoint.TCPClose, "has a socket of address family 38"},
		{[]string{"eventfd"}, checkpoint.TCPRefuse, ""},
		{[]string{"file", "/dev/null"}, checkpoint.TCPRefuse, ""},
		{[]string{"file", "/dev/loop-control"}, checkpoint.TCPClose, "has the device /dev/loop-control open"},
		{[]string{"file", "/proc/self/ns/net"}, checkpoint.TCPClose, ""},
		{[]string{"listen-queue"}, checkpoint.TCPRefuse, "has an established TCP connection"},
		{[]string{"listen-queue"}, checkpoint.TCPClose, ""},
		{[]string{"inotify", "/usr"}, checkpoint.TCPClose, "watches a file of the image"},
		{[]string{"inotify", "/"}, checkpoint.TCPClose, ""},
		{[]string{"inotify", "/etc"}, checkpoint.TCPClose, ""},
		{[]string{"inotify", "/proc"}, checkpoint.TCPClose, "watches a file of proc by inotify"},
		{[]string{"inotify", "/dev/shm"}, checkpoint.TCPClose, ""},
	} {
		t.Run(strings.Join(each.args[:1], "")+string(each.tcp), func(t *testing.T) {
			got := messages(Check([]pod.Container{container(t, "app", each.args...)}, each.tcp))
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
	if got := messages(Check([]pod.Container{client, server}, checkpoint.TCPClose)); !strings.Contains(got, "client: process") || !strings.Contains(got, "to container server") {
		t.Errorf("got %q", got)
	}
}

func TestUnixSocketOfAProcessOutsideTheContainer(t *testing.T) {
	for _, network := range []string{"unix", "unixpacket", "unixgram"} {
		path := filepath.Join(t.TempDir(), "s")
		if network == "unixgram" {
			server, err := net.ListenUnixgram(network, &net.UnixAddr{Name: path, Net: network})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
		} else {
			listener, err := net.Listen(network, path)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			go func() {
				connection, err := listener.Accept()
				if err == nil {
					// Until the client ends.
					_, _ = connection.Read(make([]byte, 1))
				}
			}()
		}
		client := container(t, "client", "dial", network, path)
		got := ""
		// The connection has an inode once this process has accepted it.
		for range 100 {
			if got = messages(Check([]pod.Container{client}, checkpoint.TCPClose)); got != "" {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		want := map[string]string{"unix": "stream", "unixpacket": "seqpacket", "unixgram": "datagram"}[network]
		if !strings.Contains(got, "has a unix "+want+" connection to a process outside the container") {
			t.Errorf("%s: got %q", network, got)
		}
	}
}

func TestObjectsOfSysVOfSeveralContainers(t *testing.T) {
	other := container(t, "other", "nothing")
	for kind, want := range map[string]string{"sysv-shm": "shared memory", "sysv-sem": "semaphores", "sysv-msg": "message queues"} {
		holder := container(t, kind, kind)
		if got := messages(Check([]pod.Container{holder, other}, checkpoint.TCPClose)); !strings.Contains(got, "the pod has SysV "+want) {
			t.Errorf("%s: got %q", kind, got)
		}
		if got := messages(Check([]pod.Container{holder}, checkpoint.TCPClose)); strings.Contains(got, "SysV") {
			t.Errorf("%s alone: got %q", kind, got)
		}
	}
}

func TestWatches(t *testing.T) {
	text := "pos:\t0\nflags:\t00\ninotify wd:2 ino:5a sdev:30 mask:800afce ignored_mask:0\ninotify wd:1 ino:3f sdev:fe00001 mask:2\nfanotify ino:1 sdev:7\n"
	if got := watches(text, "inotify"); !slices.Equal(got, []watch{{0x30, 0x5a}, {0xfe00001, 0x3f}}) {
		t.Errorf("got %x", got)
	}
}

func TestExpired(t *testing.T) {
	for text, want := range map[string]bool{
		"clockid: 1\nticks: 4\nit_value: (0, 0)\nit_interval: (0, 1000)\n": true,
		"it_value: (0, 0)\nit_interval: (0, 0)\n":                          false,
		"it_value: (0, 5)\nit_interval: (1, 0)\n":                          false,
		"": false,
	} {
		if got := expired(text); got != want {
			t.Errorf("%q: got %t", text, got)
		}
	}
}
