package lazy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// startLimit is how long a server may take to read the image set. It took 10 ms for 1 GB.
	startLimit = 20 * time.Second
	// restoredLimit is how long a server may take to receive what CRIU sent before it ended.
	restoredLimit = 10 * time.Second
)

// ErrUnfit is returned for a restore that must load all memory before its processes run.
var ErrUnfit = errors.New("memory cannot be loaded on access")

// Server is a server that was started for a restore.
type Server struct {
	// PID is that of the process. It is a child of this process.
	PID   int
	lines chan string
	// alive is the server's stdin. While it is open, CRIU may connect.
	alive io.Closer
}

// Start starts a server in a directory, for a CRIU that works in the same directory. It returns ErrUnfit with the reason
// if the kernel or the checkpoint does not permit it.
func Start(directory string, order Order) (*Server, error) {
	log, err := os.OpenFile(filepath.Join(directory, logFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	input, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	command := exec.Command("/proc/self/exe", serveCommand)
	command.Args[0] = Name
	command.Dir = directory
	command.Env = []string{"PATH=" + os.Getenv("PATH")}
	command.Stderr = log
	// Signals to the wrapper's group are not for it.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// The kernel closes it if this process is killed.
	alive, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	server := &Server{PID: command.Process.Pid, lines: make(chan string, 4), alive: alive}
	go func() {
		defer close(server.lines)
		reader := bufio.NewReader(io.LimitReader(output, 1<<16))
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			server.lines <- line
		}
	}()
	// The order is shorter than what a pipe holds.
	_, err = alive.Write(append(input, '\n'))
	line := ""
	if err == nil {
		line, err = server.line(startLimit)
	}
	switch reason, unfit := strings.CutPrefix(line, unfitPrefix); {
	case unfit:
		_ = command.Wait()
		return nil, fmt.Errorf("%w: %s", ErrUnfit, strings.TrimSpace(reason))
	case err == nil && line == readyLine:
		return server, nil
	}
	_ = command.Process.Kill()
	// It also closes the pipe.
	_ = command.Wait()
	return nil, errors.Join(fmt.Errorf("the server of memory does not start: %.200q", line), err)
}

// Abort ends a server to which CRIU has not connected: the restore has failed. Once CRIU is connected, its end decides.
func (s *Server) Abort() error { return s.alive.Close() }

// Restored waits until the server has received all processes from CRIU, which has ended without an error.
func (s *Server) Restored() error {
	line, err := s.line(restoredLimit)
	if err == nil && line != restoredLine {
		err = fmt.Errorf("the server of memory wrote %.200q", line)
	}
	return err
}

func (s *Server) line(limit time.Duration) (string, error) {
	select {
	case line, open := <-s.lines:
		if !open {
			return "", errors.New("the server of memory ended")
		}
		return line, nil
	case <-time.After(limit):
		return "", errors.New("the server of memory does not answer")
	}
}
