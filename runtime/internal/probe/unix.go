package probe

import (
	"encoding/binary"
	"errors"
	"syscall"

	"cedana.ai/cdk/runtime/internal/namespace"
	"golang.org/x/sys/unix"
)

// unixKinds are the names of the types of unix sockets, by their number.
var unixKinds = map[uint8]string{unix.SOCK_STREAM: "stream", unix.SOCK_DGRAM: "datagram", unix.SOCK_SEQPACKET: "seqpacket"}

// unixSocket is a unix socket as the kernel describes it.
type unixSocket struct {
	kind  uint8
	inode uint64
	// connected says that there is another end, and peer is its inode: 0 before the connection is accepted.
	connected bool
	peer      uint64
	// waiting are the inodes of the sockets whose connections this listener has not accepted.
	waiting []uint64
}

// peer is the other end of a unix socket. Without an owner in the checkpoint it is outside.
type peer struct {
	kind  uint8
	inode uint64
}

// checkUnixSockets finds unix sockets whose other end is held by a process outside the container: of another container, of the
// node, or of `kubectl exec`. CRIU dumps each container alone, and cannot dump one end.
func (c *check) checkUnixSockets(processes []*process) {
	peers := map[string]map[uint64]peer{}
	for _, p := range processes {
		for _, each := range p.descriptors {
			inode, found := each.socket()
			if !found {
				continue
			}
			network, err := namespaceOf(p.pid, "net")
			if err != nil {
				continue
			}
			if peers[network] == nil {
				peers[network] = unixPeers(p.pid)
			}
			if other, connected := peers[network][inode]; connected && c.sockets[other.inode] != p.container {
				c.reportUnixSocket(p, other)
			}
		}
	}
}

func (c *check) reportUnixSocket(p *process, other peer) {
	kind := unixKinds[other.kind]
	if kind == "" {
		kind = "socket"
	}
	if owner := c.sockets[other.inode]; owner != nil {
		c.report(p, "unix", "has a unix "+kind+" connection to container "+owner.Name,
			"Use a FIFO or TCP over loopback between the containers of a pod.")
		return
	}
	c.report(p, "unix", "has a unix "+kind+" connection to a process outside the container",
		"Close it before the checkpoint. It can be of a kubectl exec session, of a socket of the node, or of a container that is not part of the checkpoint.")
}

// Constants of linux/unix_diag.h and linux/sock_diag.h.
const (
	diagByFamily    = 20
	diagShowPeer    = 4
	diagShowWaiting = 8
	diagPeer        = 2
	diagWaiting     = 3
	diagBytes       = 16
	allStates       = 0xffffffff
	receiveBytes    = 1 << 16
	attributeSize   = 4
)

// unixPeers returns the other ends of the connected unix sockets of a process's network namespace, by inode: the listener of a
// connection that was not accepted. The kernel lists the sockets that were created in a namespace, and also other ends that were
// not.
func unixPeers(pid int) map[uint64]peer {
	found := map[uint64]peer{}
	listeners := map[uint64]uint64{}
	_ = namespace.Network.Enter(namespace.Network.Of(pid), func() error {
		return listUnixSockets(func(each unixSocket) {
			if each.connected {
				found[each.inode] = peer{each.kind, each.peer}
			}
			for _, client := range each.waiting {
				listeners[client] = each.inode
			}
		})
	})
	for inode, each := range found {
		if each.inode == 0 {
			found[inode] = peer{each.kind, listeners[inode]}
		}
	}
	return found
}

func listUnixSockets(add func(unixSocket)) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	// nlmsghdr and unix_diag_req.
	request := make([]byte, 40)
	binary.NativeEndian.PutUint32(request[0:], uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], diagByFamily)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	request[16] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(request[20:], allStates)
	binary.NativeEndian.PutUint32(request[28:], diagShowPeer|diagShowWaiting)
	if err := unix.Sendto(socket, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buffer := make([]byte, receiveBytes)
	for {
		size, _, err := unix.Recvfrom(socket, buffer, 0)
		if err != nil {
			return err
		}
		messages, err := syscall.ParseNetlinkMessage(buffer[:size])
		if err != nil {
			return err
		}
		for _, each := range messages {
			switch each.Header.Type {
			case unix.NLMSG_DONE:
				return nil
			case unix.NLMSG_ERROR:
				return errors.New("the kernel rejects the request for unix sockets")
			}
			if socket, valid := parseUnixSocket(each.Data); valid {
				add(socket)
			}
		}
	}
}

// parseUnixSocket reads a unix_diag_msg and its attributes.
func parseUnixSocket(data []byte) (unixSocket, bool) {
	if len(data) < diagBytes || data[0] != unix.AF_UNIX {
		return unixSocket{}, false
	}
	socket := unixSocket{kind: data[1], inode: uint64(binary.NativeEndian.Uint32(data[4:]))}
	for rest := data[diagBytes:]; len(rest) >= attributeSize; {
		size := int(binary.NativeEndian.Uint16(rest))
		if size < attributeSize || size > len(rest) {
			return unixSocket{}, false
		}
		values := rest[attributeSize:size]
		switch binary.NativeEndian.Uint16(rest[2:]) {
		case diagPeer:
			if len(values) >= 4 {
				socket.connected, socket.peer = true, uint64(binary.NativeEndian.Uint32(values))
			}
		case diagWaiting:
			for ; len(values) >= 4; values = values[4:] {
				socket.waiting = append(socket.waiting, uint64(binary.NativeEndian.Uint32(values)))
			}
		}
		// Attributes begin at multiples of 4 bytes.
		rest = rest[min((size+3)&^3, len(rest)):]
	}
	return socket, true
}
