package service

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"cedana.ai/cdk/runtime/internal/dump"
	"golang.org/x/sys/unix"
)

const (
	// streamIdle is the longest time without a byte from or to the client. It is longer than five attempts of the agent to
	// reach its registry.
	streamIdle = 10 * time.Minute
	// maxStreams bounds the streams that are compressed at a time, and those that are decompressed.
	maxStreams = 4
	// chunkBytes is the largest chunk of an exported stream.
	chunkBytes = 256 << 10
	// failedChunk takes the place of a length. The line of an error follows.
	failedChunk = 1<<32 - 1
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
	default:
		return nil
	}
}

// carry handles a request that uses a whole connection. It is closed when the service stops: a client that does not read
// must not delay that.
func (s *Service) carry(connection *net.UnixConn, read request, handle func(*stream, request)) {
	stop := context.AfterFunc(s.ctx, func() { _ = connection.Close() })
	defer stop()
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

// drain reads what a client still sends after an error.
func (s *stream) drain() {
	if err := s.SetReadDeadline(time.Now().Add(drainTime)); err == nil {
		_, _ = io.Copy(io.Discard, s.UnixConn)
	}
}

// chunks writes a stream as chunks: 4 bytes with the length, the most significant first, and the bytes. A chunk of length
// 0 says that the stream is complete.
type chunks struct {
	to     io.Writer
	buffer []byte
}

func newChunks(to io.Writer) *chunks {
	return &chunks{to: to, buffer: make([]byte, 4, 4+chunkBytes)}
}

func (c *chunks) Write(data []byte) (int, error) {
	written := 0
	for written < len(data) {
		taken := min(len(data)-written, cap(c.buffer)-len(c.buffer))
		c.buffer = append(c.buffer, data[written:written+taken]...)
		written += taken
		if len(c.buffer) == cap(c.buffer) {
			if err := c.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

func (c *chunks) flush() error {
	binary.BigEndian.PutUint32(c.buffer, uint32(len(c.buffer)-4))
	_, err := c.to.Write(c.buffer)
	c.buffer = c.buffer[:4]
	return err
}

// complete ends the stream.
func (c *chunks) complete() error {
	if len(c.buffer) > 4 {
		if err := c.flush(); err != nil {
			return err
		}
	}
	return c.flush()
}

// fail ends the stream with an error. What is buffered is not sent.
func (c *chunks) fail(line []byte) error {
	_, err := c.to.Write(append(binary.BigEndian.AppendUint32(nil, failedChunk), line...))
	return err
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
