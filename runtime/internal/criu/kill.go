package criu

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// killTime is how long a killed process may take to end. CRIU in the middle of a write of its images takes some of it.
const killTime = 5 * time.Second

// Kill kills all processes with a mark until there are none.
func Kill(mark string, limit time.Duration) error {
	end := time.Now().Add(limit)
	for {
		pids, err := Marked(mark)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("processes %v of a CRIU run do not end", pids)
		}
		for _, pid := range pids {
			kill(pid, mark)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// Marked returns the processes with a mark. Zombies have no environment and are not among them.
func Marked(mark string) ([]int, error) {
	if mark == "" {
		return nil, errors.New("the mark of a CRIU run is empty")
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && hasMark(pid, mark) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

func hasMark(pid int, mark string) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	want := []byte(MarkVariable + "=" + mark)
	for each := range bytes.SplitSeq(environment, []byte{0}) {
		if bytes.Equal(each, want) {
			return true
		}
	}
	return false
}

// kill checks the mark again while it holds a descriptor of the process, so that a reused pid is safe.
func kill(pid int, mark string) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if hasMark(pid, mark) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}
