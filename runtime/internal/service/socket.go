package service

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/peer"
)

// maxConnections bounds the clients. The agent has one for requests, and one for each stream.
const maxConnections = 64

// Listen creates the socket with mode 0600. A socket of a service that died is replaced.
func Listen(path string) (*net.UnixListener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := private(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// Serve accepts connections until the listener is closed, and then waits for the requests in flight.
func (s *Service) Serve(listener *net.UnixListener) error { return s.serve(listener, nil) }

// stateMethods are the methods of the socket for the health check.
var stateMethods = []string{"state"}

// ServeState is Serve for a socket that answers only the method state: its clients can read what the service does, but can
// neither read, take nor delete checkpoints.
func (s *Service) ServeState(listener *net.UnixListener) error {
	return s.serve(listener, stateMethods)
}

// serve answers the methods, or all if there are none.
func (s *Service) serve(listener *net.UnixListener, methods []string) error {
	slots := make(chan struct{}, maxConnections)
	defer s.requests.Wait()
	for {
		connection, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case slots <- struct{}{}:
		default:
			connection.Close()
			continue
		}
		s.requests.Add(1)
		go func() {
			defer s.requests.Done()
			defer func() { <-slots }()
			defer connection.Close()
			client, err := onlyRoot(connection)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			s.converse(connection, client, methods)
		}()
	}
}

// onlyRoot checks the user of the process that connected, and returns the process. Root of another user namespace has another
// number here.
func onlyRoot(connection *net.UnixConn) (int, error) {
	client, err := peer.Of(connection)
	if err != nil {
		return 0, err
	}
	if int(client.Uid) != os.Geteuid() {
		return 0, fmt.Errorf("rejected a connection of user %d, process %d", client.Uid, client.Pid)
	}
	return int(client.Pid), nil
}

// converse reads requests until the client closes the connection or the service stops. Requests run at the same time;
// a checkpoint continues when its client disconnects.
func (s *Service) converse(connection *net.UnixConn, client int, methods []string) {
	closed := make(chan struct{})
	defer close(closed)
	go func() {
		select {
		case <-s.ctx.Done():
			// Ends the read; responses to requests in flight are still written.
			_ = connection.CloseRead()
		case <-closed:
		}
	}()
	var write sync.Mutex
	var answers sync.WaitGroup
	defer answers.Wait()
	scanner := bufio.NewScanner(connection)
	scanner.Buffer(make([]byte, 4096), lineBytes)
	for scanner.Scan() {
		read, err := parseRequest(scanner.Bytes())
		read.client = client
		if err == nil && len(methods) > 0 && !slices.Contains(methods, read.Method) {
			err = &dump.Error{Reason: reasonUnknownMethod, Err: fmt.Errorf("this socket does not answer the method %.40q", read.Method)}
		}
		if handle := s.streams(read.Method); err == nil && handle != nil {
			answers.Wait()
			s.carry(connection, read, handle)
			return
		}
		answers.Add(1)
		go func() {
			defer answers.Done()
			var result any
			if err == nil {
				result, err = s.answer(read)
			}
			line := encode(read.ID, result, err)
			write.Lock()
			defer write.Unlock()
			// A client that left asks again with the same UID.
			_, _ = connection.Write(line)
		}()
	}
	if err := scanner.Err(); errors.Is(err, bufio.ErrTooLong) {
		write.Lock()
		defer write.Unlock()
		_, _ = connection.Write(encode("", nil, fmt.Errorf("the request has more than %d bytes", lineBytes)))
	}
}
