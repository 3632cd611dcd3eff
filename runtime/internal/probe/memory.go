package probe

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// checkMemory finds mappings that CRIU cannot dump: memory that only the process itself can read, and devices.
func (c *check) checkMemory(p *process) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/maps", p.pid))
	if err != nil {
		return
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		switch name := mapping(lines.Text()); {
		case strings.HasPrefix(name, "/secretmem"):
			c.report(p, "secretmem", "has memory of memfd_secret", "Turn secret memory off in the program: the kernel lets no other program read it.")
		case strings.HasPrefix(name, "anon_inode:[io_uring]"):
			c.report(p, "[io_uring]", "uses io_uring", remedies["[io_uring]"])
		case strings.HasPrefix(name, "anon_inode:[perf_event]"):
			c.report(p, "[perf_event]", "has an open perf_event descriptor", remedies["[perf_event]"])
		}
	}
}

// mapping returns the name of a mapping in a line of /proc/PID/maps, "" if it has none (proc_pid_maps(5)).
func mapping(line string) string {
	// ADDRESSES PERMISSIONS OFFSET DEVICE INODE NAME
	for range 5 {
		_, after, found := strings.Cut(line, " ")
		if !found {
			return ""
		}
		line = strings.TrimLeft(after, " ")
	}
	return line
}
