// Package namespace enters Linux namespaces (namespaces(7)), and compares them with those of the node, which this program has.
package namespace

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Kind is a kind of namespaces.
type Kind struct {
	// file is its name in /proc/PID/ns.
	file string
	flag int
}

// Kinds of namespaces that containers of a pod can share with each other or with the node.
var (
	Network = Kind{"net", unix.CLONE_NEWNET}
	IPC     = Kind{"ipc", unix.CLONE_NEWIPC}
	UTS     = Kind{"uts", unix.CLONE_NEWUTS}
	Process = Kind{"pid", unix.CLONE_NEWPID}
	Mount   = Kind{"mnt", unix.CLONE_NEWNS}
)

// Of returns the path of the namespace of a process.
func (k Kind) Of(pid int) string { return fmt.Sprintf("/proc/%d/ns/%s", pid, k.file) }

// Enter calls a function on a thread that has entered the namespace of a path.
func (k Kind) Enter(path string, call func() error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	result := make(chan error)
	go func() {
		// Without an unlock the thread ends with the goroutine: it is no longer like the others.
		runtime.LockOSThread()
		if err := unix.Setns(int(file.Fd()), k.flag); err != nil {
			result <- fmt.Errorf("cannot enter %s: %w", path, err)
			return
		}
		result <- call()
	}()
	return <-result
}

// IsNodes says if the namespace of a path is that of the calling thread, which is the node's. The first thread, which
// /proc/self is, can be one that entered the namespace of a pod.
func (k Kind) IsNodes(path string) (bool, error) {
	namespace, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	node, err := os.Stat("/proc/thread-self/ns/" + k.file)
	if err != nil {
		return false, err
	}
	return os.SameFile(namespace, node), nil
}

// Addresses returns the addresses in the network namespace of a path, without loopback and link-local ones: those of a pod.
func Addresses(path string) ([]netip.Addr, error) {
	list := []netip.Addr{}
	err := Network.Enter(path, func() error {
		addresses, err := net.InterfaceAddrs()
		for _, each := range addresses {
			if found, isIP := each.(*net.IPNet); isIP && found.IP.IsGlobalUnicast() {
				address, _ := netip.AddrFromSlice(found.IP)
				list = append(list, address.Unmap())
			}
		}
		return err
	})
	return list, err
}
