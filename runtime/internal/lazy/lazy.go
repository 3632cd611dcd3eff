// Package lazy loads the memory of restored processes while they run: on access, and the rest in the background.
//
// CRIU restores such a process with memory that is registered with userfaultfd(2), and passes the descriptors on a socket
// to a server. This package is the server. The kernel gives zeros for what is missing when the last descriptor is closed,
// so a keeper holds all of them too. If the server fails or dies before all pages are loaded, processes that need one
// wait, and are killed before anything is closed.
//
// The server works in a directory that belongs to the restore of one container:
//
//	lazy-pages.socket     where CRIU connects
//	lazy.json             Status
//	lazy.lock             locked (flock(2)) while a server, a keeper or a killer holds descriptors of processes
//	lazy.log              errors of the server
package lazy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/strictjson"
	"golang.org/x/sys/unix"
)

// Name is the name by which this program is the server.
const Name = "cedana-lazy"

const (
	socketFile = "lazy-pages.socket"
	statusFile = "lazy.json"
	lockFile   = "lazy.lock"
	logFile    = "lazy.log"
	// maxStatusBytes bounds lazy.json.
	maxStatusBytes = 64 << 10
)

// Order is what a server serves.
type Order struct {
	// Images is the directory of CRIU's image set.
	Images string `json:"images"`
	// Arriving is the directory of package arrival of memory that is still to come; empty if all is there.
	Arriving string `json:"arriving,omitempty"`
	// Cgroup is the directory of the container's cgroup.
	Cgroup string `json:"cgroup"`
	// Plans, PodUID, Container and ID identify the container of the plan.
	Plans     string `json:"plans"`
	PodUID    string `json:"podUID"`
	Container string `json:"container"`
	ID        string `json:"id"`
	// Service is the socket of the host service, in whose cgroup the server runs.
	Service string `json:"service"`
	// Seconds limits the run of the server.
	Seconds int `json:"seconds"`
}

// Phases of a server.
const (
	// Restoring: CRIU restores the processes; none runs.
	Restoring = "Restoring"
	// Loading: the processes run, and not all pages are loaded.
	Loading = "Loading"
	// Loaded: all pages are loaded, or the processes have ended.
	Loaded = "Loaded"
	// Lost: pages could not be loaded. The processes were killed.
	Lost = "Lost"
	// Aborted: CRIU ended before the processes were restored.
	Aborted = "Aborted"
)

// Status is the content of lazy.json.
type Status struct {
	Order Order  `json:"order"`
	Phase string `json:"phase"`
	// Bytes is the size of the memory that is loaded while the processes run.
	Bytes int64 `json:"bytes"`
	// Milliseconds is the time between the begin of the processes and the last page.
	Milliseconds int64 `json:"milliseconds,omitempty"`
	// Message explains Lost and Aborted.
	Message string `json:"message,omitempty"`
}

// Read returns the status of the server of a directory. It returns nil if none was started.
func Read(directory string) (*Status, error) {
	text, err := os.ReadFile(filepath.Join(directory, statusFile))
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parse(text)
}

func parse(text []byte) (*Status, error) {
	var status Status
	if err := strictjson.Decode(bytes.NewReader(text), maxStatusBytes, &status); err != nil {
		return nil, fmt.Errorf("%s: %w", statusFile, err)
	}
	if order := status.Order; !checkpoint.IsUID(order.PodUID) || !checkpoint.IsName(order.Container) || !checkpoint.IsUID(order.ID) {
		return nil, fmt.Errorf("%s: the container is invalid", statusFile)
	}
	return &status, nil
}

// Save replaces the status in one step.
func (s *Status) Save(directory string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temporary := filepath.Join(directory, "."+statusFile)
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(directory, statusFile))
}

// isAbsent says that there is no file, or no directory for it.
func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) }

// Active says if processes hold descriptors for the memory of the container of a directory.
func Active(directory string) (bool, error) {
	file, err := os.OpenFile(filepath.Join(directory, lockFile), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return true, nil
	}
	return false, err
}

// activePeriod is the time between two looks at the lock.
const activePeriod = 2 * time.Millisecond

// Await waits until nothing holds descriptors for the memory of the container of a directory. Its processes must have ended,
// or be restored by a CRIU that has ended: then the server ends by itself.
func Await(directory string, limit time.Duration) error {
	for end := time.Now().Add(limit); ; time.Sleep(activePeriod) {
		active, err := Active(directory)
		if err != nil || !active {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the server of memory in %s does not end", directory)
		}
	}
}
