package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// sockets are the kinds of sockets.
var sockets = map[string]open{
	"tcp-listener":  func(string) (use, error) { return listening(false) },
	"mptcp":         func(string) (use, error) { return listening(true) },
	"tcp-connected": func(string) (use, error) { return connected("tcp", "127.0.0.1:0") },
	"tcp-backlog": func(string) (use, error) {
		listener, err := listen("tcp", "127.0.0.1:0", false)
		if err != nil {
			return nil, err
		}
		client, err := net.Dial("tcp", listener.Addr().String())
		return func() error { return nil }, errors.Join(err, client.Close())
	},
	"tcp-half-closed": func(string) (use, error) {
		listener, err := listen("tcp", "127.0.0.1:0", false)
		if err != nil {
			return nil, err
		}
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return nil, err
		}
		server, err := listener.Accept()
		if err != nil {
			return nil, err
		}
		held = append(held, server)
		return func() error { return nil }, client.(*net.TCPConn).CloseWrite()
	},
	"udp": func(string) (use, error) {
		server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, err
		}
		client, err := net.Dial("udp", server.LocalAddr().String())
		return exchange(client, server), err
	},
	"icmp":      func(string) (use, error) { return raw(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP) },
	"raw":       func(string) (use, error) { return raw(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) },
	"packet":    func(string) (use, error) { return raw(unix.AF_PACKET, unix.SOCK_RAW, 0x0300) },
	"sctp":      func(string) (use, error) { return raw(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP) },
	"vsock":     func(string) (use, error) { return raw(unix.AF_VSOCK, unix.SOCK_STREAM, 0) },
	"alg":       func(string) (use, error) { return raw(unix.AF_ALG, unix.SOCK_SEQPACKET, 0) },
	"xdp":       func(string) (use, error) { return raw(unix.AF_XDP, unix.SOCK_RAW, 0) },
	"can":       func(string) (use, error) { return raw(unix.AF_CAN, unix.SOCK_RAW, 1) },
	"bluetooth": func(string) (use, error) { return raw(unix.AF_BLUETOOTH, unix.SOCK_RAW, 1) },
	"netlink": func(string) (use, error) {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
		if err != nil {
			return nil, err
		}
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK})
		return func() error { _, err := unix.Getsockname(fd); return err }, err
	},
	"netlink-queue": func(string) (use, error) {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE)
		if err != nil {
			return nil, err
		}
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return nil, err
		}
		// RTM_GETLINK with NLM_F_REQUEST and NLM_F_DUMP: the response stays in the queue.
		message := []byte{17, 0, 0, 0, unix.RTM_GETLINK, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0}
		return func() error { return nil }, unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	},
	"unix-stream": func(directory string) (use, error) { return connected("unix", filepath.Join(directory, "held.sock")) },
	"unix-seqpacket": func(directory string) (use, error) {
		return connected("unixpacket", filepath.Join(directory, "held.sock"))
	},
	"unix-abstract": func(string) (use, error) { return connected("unix", "@held") },
	"unix-datagram": func(directory string) (use, error) {
		server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(directory, "held.sock"), Net: "unixgram"})
		if err != nil {
			return nil, err
		}
		client, err := net.Dial("unixgram", server.LocalAddr().String())
		return exchange(client, server), err
	},
	"unix-pair": func(string) (use, error) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return exchange(os.NewFile(uintptr(fds[0]), "a"), os.NewFile(uintptr(fds[1]), "b")), err
	},
	// Other programs connect to it, and get back what they send.
	"unix-echo":          func(name string) (use, error) { return nil, echo("unix", name) },
	"unix-echo-datagram": func(name string) (use, error) { return nil, echoDatagrams(name) },
	"unix-dial":          func(name string) (use, error) { return dialed("unix", name) },
	"unix-dial-datagram": func(name string) (use, error) {
		connection, err := retry(func() (net.Conn, error) { return net.Dial("unixgram", name) })
		return func() error { _, err := connection.Write([]byte("x")); return err }, err
	},
	// Connections to another machine, which does not have to answer.
	"tcp-client": func(address string) (use, error) { return opensTo("tcp", address) },
	"udp-client": func(address string) (use, error) { return opensTo("udp", address) },
	// Sockets of the pod's own address.
	"tcp-listener-pod": func(string) (use, error) {
		_, err := listen("tcp", net.JoinHostPort(podAddress(), "7070"), false)
		return nil, err
	},
	"udp-listener-pod": func(string) (use, error) {
		listener, err := net.ListenPacket("udp", net.JoinHostPort(podAddress(), "7070"))
		held = append(held, listener)
		return nil, err
	},
	"tcp-echo": func(address string) (use, error) { return nil, echo("tcp", address) },
	"tcp-dial": func(address string) (use, error) { return dialed("tcp", address) },
}

// held keeps objects from being closed by the garbage collection.
var held []any

func contains(text []byte, part string) bool { return bytes.Contains(text, []byte(part)) }

func listen(network, address string, multipath bool) (net.Listener, error) {
	config := net.ListenConfig{}
	config.SetMultipathTCP(multipath)
	listener, err := config.Listen(context.Background(), network, address)
	held = append(held, listener)
	return listener, err
}

// listening connects to a listener each time, and closes the connection.
func listening(multipath bool) (use, error) {
	listener, err := listen("tcp", "127.0.0.1:0", multipath)
	if err != nil || multipath {
		return nil, err
	}
	return func() error {
		client, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return err
		}
		server, err := listener.Accept()
		if err != nil {
			return err
		}
		// A reset leaves no connection behind.
		return errors.Join(client.(*net.TCPConn).SetLinger(0), client.Close(), server.Close())
	}, nil
}

// connected keeps a connection between two sockets of this process.
func connected(network, address string) (use, error) {
	listener, err := listen(network, address, false)
	if err != nil {
		return nil, err
	}
	client, err := net.Dial(network, listener.Addr().String())
	if err != nil {
		return nil, err
	}
	server, err := listener.Accept()
	return exchange(client, server), err
}

func raw(family, kind, protocol int) (use, error) {
	fd, err := unix.Socket(family, kind, protocol)
	return func() error { _, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); return err }, err
}

func echo(network, address string) error {
	listener, err := listen(network, address, false)
	if err != nil {
		return err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(connection, connection) }()
		}
	}()
	return nil
}

func echoDatagrams(name string) error {
	server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err == nil {
		go func() { _, _ = io.Copy(io.Discard, server) }()
	}
	return err
}

// retry waits for the other container.
func retry[T any](attempt func() (T, error)) (T, error) {
	end := time.Now().Add(time.Minute)
	for {
		result, err := attempt()
		if err == nil || time.Now().After(end) {
			return result, err
		}
		time.Sleep(period)
	}
}

func dialed(network, address string) (use, error) {
	connection, err := retry(func() (net.Conn, error) { return net.Dial(network, address) })
	if err != nil {
		return nil, err
	}
	return exchange(connection, connection), nil
}

// opensTo keeps a connection without using it, and opens it again when the other side has closed it.
func opensTo(network, address string) (use, error) {
	connection, err := net.Dial(network, address)
	if err == nil && network == "tcp" {
		go func() {
			for {
				_, _ = connection.Read(make([]byte, 1))
				connection.Close()
				if connection, err = net.Dial(network, address); err != nil {
					return
				}
			}
		}()
	}
	held = append(held, connection)
	return nil, err
}

// podAddress returns the address of the pod, "" if it has none.
func podAddress() string {
	addresses, _ := net.InterfaceAddrs()
	for _, each := range addresses {
		if network, isIP := each.(*net.IPNet); isIP && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	return ""
}
