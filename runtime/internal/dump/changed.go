package dump

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"cedana.ai/cdk/runtime/internal/pod"
)

// Bits of an entry of /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst in the kernel).
const (
	softDirty = 1 << 55
	swapped   = 1 << 62
	present   = 1 << 63
)

// maxScan bounds the entries that are read, of 8 bytes: those of 64 GB. A process can map far more than it uses.
const maxScan = 16 << 20

// errMapped is returned for processes that map too much memory.
var errMapped = errors.New("too much memory is mapped to find what changed")

// changedBytes returns how much memory of a container's processes was written since the last pre-dump. What processes share
// counts for each. A process that ends meanwhile does not count.
func changedBytes(container pod.Container) (int64, error) {
	sum, left := int64(0), uint64(maxScan)
	for _, pid := range container.PIDs() {
		bytes, err := changedOf(fmt.Sprintf("/proc/%d", pid), &left)
		if errors.Is(err, errMapped) {
			return 0, err
		}
		if err == nil {
			sum += bytes
		}
	}
	return sum, nil
}

// changedOf returns it for the directory of one process. Left is how many entries may be read.
func changedOf(directory string, left *uint64) (int64, error) {
	maps, err := os.Open(directory + "/maps")
	if err != nil {
		return 0, err
	}
	defer maps.Close()
	pages, err := os.Open(directory + "/pagemap")
	if err != nil {
		return 0, err
	}
	defer pages.Close()
	size, sum := uint64(os.Getpagesize()), int64(0)
	buffer := make([]byte, 1<<20)
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		var begin, end uint64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &begin, &end, &mode); err != nil {
			return 0, err
		}
		// The kernel's own pages, which no dump writes, are above the addresses that a process can map.
		if !strings.Contains(mode, "w") || begin >= 1<<63 {
			continue
		}
		entries := (end - begin) / size
		if entries > *left {
			return 0, errMapped
		}
		*left -= entries
		for at := begin / size; at < end/size; {
			wanted := min(uint64(len(buffer)), (end/size-at)*8)
			read, err := pages.ReadAt(buffer[:wanted], int64(at*8))
			if read < 8 {
				if err == nil || errors.Is(err, io.EOF) {
					break
				}
				return 0, err
			}
			for each := 0; each+8 <= read; each += 8 {
				entry := binary.LittleEndian.Uint64(buffer[each:])
				if entry&softDirty != 0 && entry&(present|swapped) != 0 {
					sum += int64(size)
				}
			}
			at += uint64(read / 8)
		}
	}
	return sum, lines.Err()
}
