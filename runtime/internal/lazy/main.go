package lazy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/images"
	"golang.org/x/sys/unix"
)

// Commands of the program.
const (
	serveCommand = "serve"
	killCommand  = "kill"
)

// What a server writes to stdout.
const (
	// readyLine: CRIU can connect.
	readyLine = "ready\n"
	// restoredLine: CRIU has restored all processes.
	restoredLine = "restored\n"
	// unfitPrefix begins a line with the reason for which the memory cannot be loaded on access.
	unfitPrefix = "unfit: "
)

// Callbacks are what the program does with containers.
type Callbacks struct {
	// Kill ends all processes of a cgroup.
	Kill func(cgroup string) error
	// Lost records that a container lost its memory, and ends the other containers of the restore.
	Lost func(order Order, message string) error
}

// Main is the program with the arguments after its name: `serve` reads an Order from stdin, which stays open until CRIU
// may no longer connect, and works in the current directory; `kill` ends the container of an Order whose server has died, with the descriptor of its lock. It returns the exit status.
func Main(args []string, callbacks Callbacks) int {
	// The shim's signals are for others.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	var err error
	switch {
	case len(args) == 1 && args[0] == serveCommand:
		err = serve(callbacks)
	case len(args) == 3 && args[0] == killCommand:
		err = killAfterDeath(args[1], args[2], callbacks)
	default:
		err = fmt.Errorf("usage: %s %s | %s LOCK ORDER", Name, serveCommand, killCommand)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s %s: %v\n", time.Now().UTC().Format(time.RFC3339), Name, err)
		return 1
	}
	return 0
}

// serve runs a server until all memory is loaded.
func serve(callbacks Callbacks) error {
	// The kernel should kill other processes first. Permission for it is not everywhere.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-999"), 0)
	var order Order
	if err := json.NewDecoder(os.Stdin).Decode(&order); err != nil {
		return err
	}
	server, status, err := prepare(order)
	if err != nil {
		fmt.Printf("%s%s\n", unfitPrefix, strings.ReplaceAll(err.Error(), "\n", "; "))
		return nil
	}
	lock, err := takeLock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := status.Save("."); err != nil {
		return err
	}
	text, err := json.Marshal(order)
	if err != nil {
		return err
	}
	keeper := 0
	spawn := func() (int, error) {
		pid, err := startKeeper([]string{Name, killCommand, strconv.Itoa(int(lock.Fd())), string(text)})
		if err != nil {
			return 0, err
		}
		keeper = pid
		return unix.PidfdOpen(pid, 0)
	}
	if server.keeper, err = spawn(); err != nil {
		return err
	}
	server.respawn = func() (int, error) {
		_, _ = unix.Wait4(keeper, nil, 0, nil)
		_ = unix.Close(server.keeper)
		return spawn()
	}
	// It ends here if all went well, so the keeper has nothing to keep.
	defer func() {
		_ = unix.Kill(keeper, unix.SIGKILL)
		_, _ = unix.Wait4(keeper, nil, 0, nil)
	}()
	begin := time.Now()
	server.restored = func() {
		begin = time.Now()
		status.Phase = Loading
		// A reader that finds Restoring sees that the container is restored.
		_ = status.Save(".")
		_, _ = io.WriteString(os.Stdout, restoredLine)
		_ = os.Stdout.Close()
	}
	if _, err := io.WriteString(os.Stdout, readyLine); err != nil {
		return err
	}
	err = server.serve(time.Now().Add(time.Duration(order.Seconds) * time.Second))
	if err == nil {
		status.Phase, status.Milliseconds = Loaded, time.Since(begin).Milliseconds()
		return status.Save(".")
	}
	lose(status, err, callbacks, lock)
	return err
}

// lose ends a container whose memory is incomplete. It returns only when no process of it is left.
func lose(status *Status, cause error, callbacks Callbacks, lock *os.File) {
	for {
		err := callbacks.Kill(status.Order.Cgroup)
		if err == nil {
			break
		}
		// The processes that are left wait for their pages.
		fmt.Fprintf(os.Stderr, "cannot end the container: %v\n", err)
		time.Sleep(time.Second)
	}
	restored := status.Phase == Loading
	status.Phase, status.Message = Aborted, cause.Error()
	if restored {
		status.Phase = Lost
	}
	if err := status.Save("."); err != nil {
		fmt.Fprintf(os.Stderr, "cannot write the status: %v\n", err)
	}
	if !restored {
		// The wrapper decides what follows.
		return
	}
	// The wrapper may wait for this lock while it holds that of the pod.
	lock.Close()
	if err := callbacks.Lost(status.Order, status.Message); err != nil {
		fmt.Fprintf(os.Stderr, "cannot record that the memory was lost: %v\n", err)
	}
}

// killAfterDeath is what the keeper does when the server has died. It has all descriptors of the server.
func killAfterDeath(descriptor, text string, callbacks Callbacks) error {
	fd, err := strconv.Atoi(descriptor)
	if err != nil {
		return err
	}
	lock := os.NewFile(uintptr(fd), lockFile)
	status, err := Read(".")
	if err != nil || status == nil {
		// The directory was removed. The container must not live all the same.
		status = &Status{Phase: Restoring}
		if err := json.Unmarshal([]byte(text), &status.Order); err != nil {
			return err
		}
	}
	if status.Phase == Restoring || status.Phase == Loading {
		lose(status, errors.New("the server of memory was killed before all pages were loaded"), callbacks, lock)
	}
	return nil
}

func takeLock() (*os.File, error) {
	lock, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock %s: %w", lockFile, err), lock.Close())
	}
	return lock, nil
}

// prepare opens all that the server needs. An error says why the memory cannot be loaded on access.
func prepare(order Order) (*server, *Status, error) {
	if err := Supported(); err != nil {
		return nil, nil, err
	}
	if err := joinCgroupOf(order.Service); err != nil {
		return nil, nil, err
	}
	memory, size, err := openMemory(order.Images)
	if err != nil {
		return nil, nil, err
	}
	server := &server{memory: memory, connection: -1, wrapper: int(os.Stdin.Fd())}
	if order.Arriving != "" {
		if server.arriving, err = arrival.Open(order.Arriving); err != nil {
			return nil, nil, err
		}
		if server.arriving == nil {
			return nil, nil, fmt.Errorf("%s is missing", order.Arriving)
		}
	}
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: socketFile}); err != nil {
		return nil, nil, err
	}
	if err := unix.Listen(listener, 1); err != nil {
		return nil, nil, err
	}
	server.listener = listener
	return server, &Status{Order: order, Phase: Restoring, Bytes: size}, nil
}

// openMemory opens the pages of all processes of an image set. They stay open, so they can be read until the end.
func openMemory(directory string) (map[int32]*source, int64, error) {
	names, err := filepath.Glob(filepath.Join(directory, "pagemap-[0-9]*.img"))
	if err != nil {
		return nil, 0, err
	}
	memory, size := map[int32]*source{}, int64(0)
	for _, name := range names {
		text := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "pagemap-"), ".img")
		pid, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, 0, fmt.Errorf("%s has no valid PID", filepath.Base(name))
		}
		of, err := openSource(directory, text)
		if err != nil {
			return nil, 0, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		memory[int32(pid)] = of
		size += of.ranges.bytes()
	}
	if len(memory) == 0 {
		return nil, 0, errors.New("the checkpoint has no memory of a process")
	}
	return memory, size, nil
}

func openSource(directory, pid string) (*source, error) {
	of, err := os.Open(filepath.Join(directory, "mm-"+pid+".img"))
	if err != nil {
		return nil, err
	}
	defer of.Close()
	wiped, err := images.ReadWipedOnFork(of)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(filepath.Join(directory, "pagemap-"+pid+".img"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found, err := images.ReadPages(file, os.Getpagesize())
	if err != nil {
		return nil, err
	}
	pages, err := os.Open(filepath.Join(directory, fmt.Sprintf("pages-%d.img", found.ID)))
	if err != nil {
		return nil, err
	}
	info, err := pages.Stat()
	if err != nil {
		return nil, err
	}
	opened := &source{pages: pages}
	for _, each := range found.Ranges {
		if each.Offset+int64(each.End-each.Start) > info.Size() {
			return nil, fmt.Errorf("%s is too short", filepath.Base(pages.Name()))
		}
		if each.Lazy {
			opened.ranges = append(opened.ranges, each)
		}
	}
	opened.ranges = images.MarkWiped(opened.ranges, wiped)
	return opened, nil
}
