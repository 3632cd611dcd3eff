package lazy

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cedana.ai/cdk/runtime/internal/peer"
)

// cgroupMount is where the node's cgroups are mounted.
const cgroupMount = "/sys/fs/cgroup"

// joinCgroupOf moves this process to the cgroups of the host service. The shim, whose cgroups it has, can be one of the
// pod's. Memory of restored processes is charged to their container, although the server writes it (mcopy_atomic in the
// kernel).
func joinCgroupOf(socket string) error {
	connection, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("the host service does not answer: %w", err)
	}
	defer connection.Close()
	service, err := peer.Of(connection)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", service.Pid))
	if err != nil {
		return fmt.Errorf("the host service has ended: %w", err)
	}
	return joinCgroups(cgroupMount, string(text), os.Getpid())
}

// joinCgroups moves a process to the cgroups that the text of /proc/PID/cgroup names.
func joinCgroups(mount, text string, pid int) error {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 {
			return fmt.Errorf("/proc/PID/cgroup has the line %.200q", line)
		}
		directory := filepath.Join(mount, strings.TrimPrefix(fields[1], "name="))
		if fields[0] == "0" {
			if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err != nil {
				directory = filepath.Join(mount, "unified")
			}
		}
		file, err := os.OpenFile(filepath.Join(directory, fields[2], "cgroup.procs"), os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			// A hierarchy that is not mounted.
			continue
		}
		if err != nil {
			return err
		}
		_, err = file.WriteString(strconv.Itoa(pid))
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("cannot join the cgroup of the host service: %w", err)
		}
	}
	return nil
}
