// The program still is the workload of `npm run bench:node`, and reads what the benchmark compares with.
//
//	still                    holds MB megabytes that do not compress, and prints each gap between two ticks of 1 ms
//	still read PID           reads the writable memory of a process once
//	still written            prints the bytes that processes of this PID namespace wrote to disks
//	still calls N PROGRAM... calls programs in turn, N times each, as `PROGRAM create --bundle . x`
package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// notable is the shortest gap that is printed.
const notable = 5 * time.Millisecond

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 0:
		hold()
	case args[0] == "read" && len(args) == 2:
		err = read(args[1])
	case args[0] == "written":
		err = written()
	case args[0] == "calls" && len(args) > 2:
		err = calls(args[1], args[2:])
	default:
		err = fmt.Errorf("unknown arguments %q", args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hold() {
	megabytes, _ := strconv.Atoi(os.Getenv("MB"))
	memory := make([]byte, megabytes<<20)
	// Read in pieces: the kernel limits one call.
	for piece := range slices.Chunk(memory, 1<<20) {
		_, _ = rand.Read(piece)
	}
	fmt.Println("token", rand.Text())
	for last := time.Now(); ; {
		time.Sleep(time.Millisecond)
		now := time.Now()
		if gap := now.Sub(last); gap >= notable {
			fmt.Println("gap", gap.Microseconds())
		}
		last = now
		if len(memory) > 0 {
			memory[0]++
		}
	}
}

// read prints the nanoseconds and the bytes of one read of all private writable memory.
func read(pid string) error {
	maps, err := os.Open(filepath.Join("/proc", pid, "maps"))
	if err != nil {
		return err
	}
	defer maps.Close()
	memory, err := os.Open(filepath.Join("/proc", pid, "mem"))
	if err != nil {
		return err
	}
	defer memory.Close()
	buffer := make([]byte, 1<<20)
	total := int64(0)
	begin := time.Now()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &mode); err != nil || mode != "rw-p" {
			continue
		}
		// Go reserves much more address space than it uses: only what is resident counts.
		for each, err := range resident(pid, from, to) {
			if err != nil {
				return err
			}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.NewSectionReader(memory, each[0], each[1]-each[0])}, buffer)
			if err != nil {
				return err
			}
			total += n
		}
	}
	fmt.Println(time.Since(begin).Nanoseconds(), total)
	return nil
}

// resident yields the ranges of pages that are present, by the bit 63 of pagemap.
func resident(pid string, from, to int64) func(func([2]int64, error) bool) {
	const page = 4096
	return func(yield func([2]int64, error) bool) {
		pagemap, err := os.Open(filepath.Join("/proc", pid, "pagemap"))
		if err != nil {
			yield([2]int64{}, err)
			return
		}
		defer pagemap.Close()
		buffer := make([]byte, 512<<10)
		begin := int64(-1)
		for at := from; at < to; {
			count := min((to-at)/page, int64(len(buffer)/8))
			if _, err := pagemap.ReadAt(buffer[:count*8], at/page*8); err != nil {
				yield([2]int64{}, err)
				return
			}
			for i := range count {
				present := buffer[i*8+7]&0x80 != 0
				switch here := at + i*page; {
				case present && begin < 0:
					begin = here
				case !present && begin >= 0:
					if !yield([2]int64{begin, here}, nil) {
						return
					}
					begin = -1
				}
			}
			at += count * page
		}
		if begin >= 0 {
			yield([2]int64{begin, to}, nil)
		}
	}
}

// written prints the sum of write_bytes of /proc/PID/io. The kernel adds those of an ended process to its parent, so nothing
// is lost as long as all ancestors live.
func written() error {
	files, err := filepath.Glob("/proc/[0-9]*/io")
	if err != nil {
		return err
	}
	total := int64(0)
	for _, each := range files {
		text, err := os.ReadFile(each)
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(text), "\n") {
			if value, found := strings.CutPrefix(line, "write_bytes: "); found {
				bytes, err := strconv.ParseInt(value, 10, 64)
				if err != nil {
					return err
				}
				total += bytes
			}
		}
	}
	fmt.Println(total)
	return nil
}

// calls prints the median of the times of each program in microseconds. The first call of each is not counted.
func calls(count string, programs []string) error {
	rounds, err := strconv.Atoi(count)
	if err != nil || rounds < 1 {
		return fmt.Errorf("invalid number of calls %q", count)
	}
	times := make([][]int64, len(programs))
	for round := range rounds + 1 {
		for at, program := range programs {
			begin := time.Now()
			if output, err := exec.Command(program, "create", "--bundle", ".", "x").CombinedOutput(); err != nil {
				return fmt.Errorf("%s: %w: %s", program, err, output)
			}
			if spent := time.Since(begin).Microseconds(); round > 0 {
				times[at] = append(times[at], spent)
			}
		}
	}
	for at := range programs {
		slices.Sort(times[at])
		fmt.Println(times[at][len(times[at])/2])
	}
	return nil
}
