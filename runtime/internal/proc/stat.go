// Package proc reads what the kernel says of a process in /proc/PID.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Stat is what is used of /proc/PID/stat (proc_pid_stat(5)).
type Stat struct {
	// Name is the name of the program.
	Name string
	// State is a letter: Z is a zombie, X a dead process.
	State string
	// Parent is 0 if the parent is outside the process namespace of this program.
	Parent int
	Group  int
	// Start is the time of the start in clock ticks since the boot.
	Start uint64
}

// ReadStat reads /proc/PID/stat. It returns the error of the system for a process that does not exist.
func ReadStat(pid int) (*Stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	stat, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return stat, nil
}

// parse reads PID (NAME) STATE PARENT GROUP ... START. A name can have spaces and parentheses.
func parse(text []byte) (*Stat, error) {
	const state, parent, group, start = 0, 1, 2, 19
	begin, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if begin < 0 || end < begin || len(fields) <= start {
		return nil, fmt.Errorf("%.300q is not the state of a process", text)
	}
	stat := &Stat{Name: string(text[begin+1 : end]), State: fields[state]}
	var err error
	if stat.Parent, err = strconv.Atoi(fields[parent]); err != nil {
		return nil, err
	}
	if stat.Group, err = strconv.Atoi(fields[group]); err != nil {
		return nil, err
	}
	stat.Start, err = strconv.ParseUint(fields[start], 10, 64)
	return stat, err
}
