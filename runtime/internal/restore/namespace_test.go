package restore

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/namespace"
	"golang.org/x/sys/unix"
)

// newNamespace returns the path of a new namespace, in which call is called. It is removed at the end of the test.
func newNamespace(t *testing.T, kind int, name string, call func() error) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: a namespace is created")
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() {
		// The thread ends with the goroutine; the bind mount keeps the namespace.
		runtime.LockOSThread()
		err := unix.Unshare(kind)
		if err == nil {
			err = unix.Mount("/proc/thread-self/ns/"+name, path, "", unix.MS_BIND, "")
		}
		if err == nil {
			err = call()
		}
		result <- err
	}()
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(path, unix.MNT_DETACH) })
	return path
}

func TestHostnameIsOfTheNamespace(t *testing.T) {
	before, err := os.Hostname()
	must(t, err)
	path := newNamespace(t, unix.CLONE_NEWUTS, "uts", func() error { return unix.Sethostname([]byte("new-pod")) })
	name, err := hostname(path)
	if err != nil || name != "new-pod" {
		t.Errorf("got %q, %v", name, err)
	}
	must(t, setHostname(path, "other"))
	if name, _ := hostname(path); name != "other" {
		t.Errorf("got %q", name)
	}
	if after, _ := os.Hostname(); after != before {
		t.Errorf("the host name of this machine became %q", after)
	}
}

func TestLoopbackIsLockedForAWhile(t *testing.T) {
	var listener net.Listener
	path := newNamespace(t, unix.CLONE_NEWNET, "net", func() error {
		if err := loopbackUp(); err != nil {
			return err
		}
		var err error
		listener, err = net.Listen("tcp4", "127.0.0.1:0")
		return err
	})
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Write([]byte("x"))
		}
	}()
	dial := func() (connection net.Conn, err error) {
		_ = namespace.Network.Enter(path, func() error {
			connection, err = net.DialTimeout("tcp4", listener.Addr().String(), 300*time.Millisecond)
			return err
		})
		return
	}
	open, err := dial()
	must(t, err)
	defer open.Close()
	// Twice: an interrupted restore leaves a lock.
	must(t, lockLoopback(path, time.Now()))
	must(t, lockLoopback(path, time.Now()))
	if _, err := dial(); err == nil {
		t.Error("a connection was accepted in spite of the lock")
	}
	must(t, unlockLoopback(path))
	if _, err := dial(); err != nil {
		t.Errorf("after the lock: %v", err)
	}
	if _, err := io.ReadFull(open, make([]byte, 1)); err != nil {
		t.Errorf("the connection from before the lock: %v", err)
	}
	// A lock whose time is over has no effect.
	must(t, lockLoopback(path, time.Now().Add(-lockLimit-time.Second)))
	if _, err := dial(); err != nil {
		t.Errorf("after the time of the lock: %v", err)
	}
	must(t, unlockLoopback(path))
	must(t, unlockLoopback(path))
}

// loopbackUp sets the interface lo of this thread's network namespace up.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
