package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/parts"
	"golang.org/x/sys/unix"
)

const (
	// streamIdle is the longest time without a byte from or to the client. It is longer than five attempts of the agent to
	// reach its registry.
	streamIdle = 10 * time.Minute
	// maxStreams bounds the streams that are compressed at a time, and those that are decompressed.
	maxStreams = 4
	// pieceBytes are sent by one call, to which streamIdle applies.
	pieceBytes = 1 << 20
	// socketBytes is how much of an exported part may wait for the client: each wait for the other side costs a switch of
	// processes.
	socketBytes = 1 << 20
	// drainTime is how long the rest of a rejected stream is read, so that the client sees the error before a closed
	// connection.
	drainTime = 5 * time.Second
)

// stream is a connection that is used for one request, whose content it carries.
type stream struct {
	*net.UnixConn
	id string
}

// streams returns the handler of a method that needs a connection for itself, or nil.
func (s *Service) streams(method string) func(*stream, request) {
	switch method {
	case "export":
		return s.answerExport
	case "stage":
		return s.answerStage
	case "load":
		return s.answerLoad
	default:
		return nil
	}
}

// carry handles a request that uses a whole connection. It is closed when the service stops: a client that does not read
// must not delay that.
func (s *Service) carry(connection *net.UnixConn, read request, handle func(*stream, request)) {
	stop := context.AfterFunc(s.ctx, func() { _ = connection.Close() })
	defer stop()
	// Root may exceed the limit of the system. Without the right it stays at that limit.
	if raw, err := connection.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBytes)
		})
	}
	handle(&stream{connection, read.ID}, read)
}

// Read and Write end with an error if the client does nothing for streamIdle.
func (s *stream) Read(into []byte) (int, error) {
	if err := s.SetReadDeadline(time.Now().Add(streamIdle)); err != nil {
		return 0, err
	}
	return s.UnixConn.Read(into)
}

func (s *stream) Write(data []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(streamIdle)); err != nil {
		return 0, err
	}
	return s.UnixConn.Write(data)
}

// respond writes the line of a response.
func (s *stream) respond(result any, err error) error {
	_, writeErr := s.Write(encode(s.id, result, err))
	return writeErr
}

// send writes a segment: a line of a response, and the content.
func (s *stream) send(segment parts.Segment, content []byte) error {
	err := s.respond(segment, nil)
	for len(content) > 0 && err == nil {
		piece := content[:min(len(content), pieceBytes)]
		content = content[len(piece):]
		_, err = s.Write(piece)
	}
	return err
}

// drain reads what a client still sends after an error.
func (s *stream) drain() {
	if err := s.SetReadDeadline(time.Now().Add(drainTime)); err == nil {
		_, _ = io.Copy(io.Discard, s.UnixConn)
	}
}

// slot waits for one of the streams that may be processed at a time. It returns a function that releases it.
func slot(ctx context.Context, slots chan struct{}) (func(), error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// failed returns an error of a reason, unless the error has one. A full disk has the same reason in each method.
func failed(reason string, err error) error {
	var known *dump.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		reason = dump.ReasonNoSpace
	}
	return &dump.Error{Reason: reason, Err: err}
}

func invalid(format string, args ...any) error {
	return &dump.Error{Reason: dump.ReasonInvalid, Err: fmt.Errorf(format, args...)}
}
