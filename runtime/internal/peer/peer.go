// Package peer identifies the process at the other end of a unix socket.
package peer

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// Of returns the process and the user that connected, or that listen (SO_PEERCRED of unix(7)).
func Of(connection *net.UnixConn) (*unix.Ucred, error) {
	raw, err := connection.SyscallConn()
	if err != nil {
		return nil, err
	}
	var credentials *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		credentials, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return credentials, errors.Join(controlErr, err)
}
