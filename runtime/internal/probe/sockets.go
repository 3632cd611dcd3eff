package probe

import (
	"fmt"
	"net/netip"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/namespace"
	"golang.org/x/sys/unix"
)

// protocolMPTCP is IPPROTO_MPTCP of linux/in.h.
const protocolMPTCP = 262

// States of net/tcp_states.h.
const (
	tcpClose  = 7
	tcpListen = 10
)

// families are the address families of sockets that CRIU dumps.
var families = map[int]bool{unix.AF_UNIX: true, unix.AF_INET: true, unix.AF_INET6: true, unix.AF_PACKET: true, unix.AF_NETLINK: true}

// protocols are those of stream and datagram sockets that CRIU dumps (can_dump_ipproto of criu/sk-inet.c).
var protocols = map[int]bool{
	unix.IPPROTO_IP: true, unix.IPPROTO_TCP: true, unix.IPPROTO_UDP: true, unix.IPPROTO_UDPLITE: true,
	unix.IPPROTO_ICMP: true, unix.IPPROTO_ICMPV6: true,
}

// checkSocket reads the properties of a socket from a copy of its descriptor.
func (c *check) checkSocket(p *process, d descriptor) {
	socket, err := copyDescriptor(p.pid, d.number)
	if err != nil {
		return
	}
	defer unix.Close(socket)
	domain, domainError := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_DOMAIN)
	protocol, protocolError := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	kind, kindError := unix.GetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TYPE)
	if domainError != nil || protocolError != nil || kindError != nil {
		return
	}
	switch internet := domain == unix.AF_INET || domain == unix.AF_INET6; {
	case !families[domain]:
		c.report(p, "family", fmt.Sprintf("has a socket of address family %d", domain), "Close it before the checkpoint: CRIU dumps unix, IP, packet and netlink sockets.")
	case protocol == protocolMPTCP:
		c.report(p, "mptcp", "has an MPTCP socket",
			"Set GODEBUG=multipathtcp=0 in the container: Go programs listen with MPTCP by default. Or set net.mptcp.enabled=0 in the pod.")
	case internet && kind != unix.SOCK_RAW && !protocols[protocol]:
		c.report(p, "protocol", fmt.Sprintf("has a socket of IP protocol %d", protocol), "Close it before the checkpoint, or use TCP or UDP.")
	case internet && protocol == unix.IPPROTO_TCP && kind == unix.SOCK_STREAM:
		c.checkConnection(p, socket)
	case internet && kind != unix.SOCK_RAW:
		if address := podAddress(socket); address.IsValid() && c.oneOfSeveral(address) {
			c.report(p, "address", fmt.Sprintf("has a socket of the pod's address %s", address), "Close it before the checkpoint: "+severalAddresses)
		}
	}
}

// checkConnection finds connected TCP sockets, also those that one side has closed, connections that were not accepted, and
// listeners on one of several addresses of the pod.
func (c *check) checkConnection(p *process, socket int) {
	info, err := unix.GetsockoptTCPInfo(socket, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return
	}
	address := podAddress(socket)
	connected := info.State != tcpClose && info.State != tcpListen
	switch {
	// The kernel counts the connections in the queue of a listener as unacked segments.
	case c.tcp == checkpoint.TCPRefuse && (connected || info.State == tcpListen && info.Unacked > 0):
		c.report(p, "tcp", "has an established TCP connection", "Close it before the checkpoint, or use tcp: close or tcp: loopback.")
	case c.tcp == checkpoint.TCPLoopback && connected && address.IsValid():
		c.report(p, "tcp", fmt.Sprintf("has a TCP connection from the pod's address %s", address),
			"Close it before the checkpoint, or use tcp: close: a restored pod has another address.")
	case info.State == tcpListen && address.IsValid() && c.oneOfSeveral(address):
		c.report(p, "address", fmt.Sprintf("listens on the pod's address %s", address), "Listen on 0.0.0.0 or on ::. "+severalAddresses)
	}
}

// severalAddresses explains why the restore cannot replace the address of a socket.
const severalAddresses = "The pod has several addresses of this family, so the restored pod's address in its place is unknown."

// oneOfSeveral says if the pod has several addresses of a family. A restore replaces the only one.
func (c *check) oneOfSeveral(address netip.Addr) bool {
	if c.addresses == nil {
		var err error
		if c.addresses, err = namespace.Addresses(namespace.Network.Of(c.containers[0].PID)); err != nil {
			return true
		}
	}
	count := 0
	for _, each := range c.addresses {
		if each.Is4() == address.Is4() {
			count++
		}
	}
	return count != 1
}

// podAddress returns the local address of a socket if only this pod has it: neither a loopback address nor all addresses.
func podAddress(socket int) netip.Addr {
	local, err := unix.Getsockname(socket)
	if err != nil {
		return netip.Addr{}
	}
	var address netip.Addr
	port := 0
	switch local := local.(type) {
	case *unix.SockaddrInet4:
		address, port = netip.AddrFrom4(local.Addr), local.Port
	case *unix.SockaddrInet6:
		address, port = netip.AddrFrom16(local.Addr).Unmap(), local.Port
	}
	if !address.IsGlobalUnicast() || port == 0 {
		return netip.Addr{}
	}
	return address
}

func copyDescriptor(pid, number int) (int, error) {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(process)
	return unix.PidfdGetfd(process, number, 0)
}
