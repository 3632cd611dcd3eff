package proc

import (
	"os"
	"strings"
)

// BootID returns the identifier that the kernel chose at its start (random(4)).
func BootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
}
