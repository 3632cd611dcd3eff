// Package guard makes sure that no container stays frozen, or off its GPUs, whatever dies: the service, CRIU, the runtime, or the machine.
//
// Before a freeze, Begin writes a journal entry and starts a watchdog process. When the service dies, the watchdog waits
// for the end of CRIU and thaws the containers. At a time limit it kills CRIU and thaws, also when the service only hangs.
// Recover does the same for the entries of a service that died together with its watchdog.
//
// CRIU ends first: it remembers that a container was frozen, and freezes it again at the end of its dump. Before the limit
// it is not killed: a process that is dumped can crash if CRIU dies while its code is in that process.
package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/proc"
	"cedana.ai/cdk/runtime/internal/strictjson"
	"golang.org/x/sys/unix"
)

// Entry is what the journal and the watchdog know of a checkpoint in flight.
type Entry struct {
	Version int `json:"version"`
	// UID is the checkpoint's UID.
	UID string `json:"uid"`
	// BootID identifies the kernel's run; nothing is frozen after another boot.
	BootID string `json:"bootID"`
	// Mark is the mark of the runtime of CRIU.
	Mark string `json:"mark"`
	// Group is the process group of the runs of CRIU: the watchdog's. 0 before it started.
	Group int `json:"group"`
	// ServiceCgroup is the content of /proc/PID/cgroup of the service, and so of CRIU.
	ServiceCgroup string           `json:"serviceCgroup"`
	Cgroups       []freezer.Cgroup `json:"cgroups"`
	// GPU are the processes that are taken off their GPUs.
	GPU []cuda.Process `json:"gpu,omitempty"`
	// KillAfter is the time since the boot, in nanoseconds, until which CRIU may end by itself. 0 means that it may not.
	KillAfter int64 `json:"killAfter"`
	// Directory holds the files of the checkpoint until it is complete.
	Directory string `json:"directory"`
}

const (
	entryVersion = 1
	// entryBytes bounds an entry of 64 containers with paths of at most 4096 bytes.
	entryBytes = 1 << 20
	// killTime is how long CRIU may take to end before the containers are thawed all the same.
	killTime = 2 * time.Second
	// thawTime is how long the kernel may take to thaw.
	thawTime = 5 * time.Second
	// calmTime is how long no process of CRIU may exist before a release is complete.
	calmTime = 50 * time.Millisecond
	// gpuTime bounds how long processes may take to get their GPUs back. 1 GB took 0.2 s and a fixed part 0.4 s (NVIDIA H200).
	gpuTime = 5 * time.Minute
	// gpuAllowance is what the service may take longer than gpuTime before the watchdog acts.
	gpuAllowance = 10 * time.Second
	// releaseTime bounds all attempts of a thaw, after CRIU had its time.
	releaseTime = time.Minute
)

// Validate checks an entry that was read from disk.
func (e *Entry) Validate() error {
	switch {
	case e.Version != entryVersion:
		return fmt.Errorf("version is %d, not %d", e.Version, entryVersion)
	case !checkpoint.IsUID(e.UID):
		return fmt.Errorf("uid %.80q is invalid", e.UID)
	case e.KillAfter < 0:
		return fmt.Errorf("killAfter %d is negative", e.KillAfter)
	case e.Group < 0 || len(e.ServiceCgroup) > 1<<16:
		return fmt.Errorf("group %d or the service's cgroup is invalid", e.Group)
	case !checkpoint.IsUID(e.Mark):
		return fmt.Errorf("mark %.80q is invalid", e.Mark)
	case !filepath.IsAbs(e.Directory) || filepath.Clean(e.Directory) != e.Directory:
		return fmt.Errorf("directory %.80q is invalid", e.Directory)
	}
	for _, each := range e.Cgroups {
		if err := each.Validate(); err != nil {
			return err
		}
	}
	return nil
}

func parse(data []byte) (*Entry, error) {
	var entry Entry
	if err := strictjson.Unmarshal(data, &entry); err != nil {
		return nil, err
	}
	return &entry, entry.Validate()
}

// NewEntry returns an entry for this boot with a new mark.
func NewEntry(uid, directory string, cgroups []freezer.Cgroup) (Entry, error) {
	boot, err := proc.BootID()
	return Entry{
		Version: entryVersion, UID: uid, BootID: boot, Mark: criu.NewMark(), ServiceCgroup: criu.CgroupOf(os.Getpid()),
		Cgroups: cgroups, Directory: directory,
	}, err
}

// target returns the processes of CRIU. The group's number can belong to another program once all of them have ended; then
// it is not in the service's cgroup, where a service manager keeps services apart.
func (e *Entry) target() criu.Target {
	return criu.Target{Mark: e.Mark, Group: e.Group, Cgroup: e.ServiceCgroup}
}

// sinceBoot returns the time since the boot of the machine. Unlike the time of day it is not set by others.
func sinceBoot() time.Duration {
	var now unix.Timespec
	// It fails only for a clock that the kernel does not have; this one is older than all of our kernels.
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return time.Duration(now.Nano())
}

// left returns how long CRIU may still take.
func (e *Entry) left() time.Duration { return max(time.Duration(e.KillAfter)-sinceBoot(), 0) }

// Release thaws the containers, as Thaw does, and gives processes their GPUs back.
func Release(ctx context.Context, entry *Entry) error {
	if err := Thaw(ctx, entry); err != nil {
		return err
	}
	return returnGPUs(ctx, entry)
}

// Thaw waits for the end of CRIU until entry.KillAfter, kills what is left of it, and thaws the containers. It retries until no
// process of the run exists and nothing is frozen, for at most a minute.
func Thaw(ctx context.Context, entry *Entry) error {
	// What does not end in time, or cannot be found, is the kill's task.
	_ = entry.target().Wait(ctx, entry.left())
	ctx, cancel := context.WithTimeout(ctx, releaseTime)
	defer cancel()
	for {
		killed := entry.target().Kill(killTime)
		thawContext, cancel := context.WithTimeout(ctx, thawTime)
		err := errors.Join(killed, freezer.Thaw(thawContext, entry.Cgroups))
		cancel()
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(calmTime):
		}
		if err == nil && calm(entry) {
			return nil
		}
	}
}

// returnGPUs gives the processes their GPUs back, also when the context has ended. The containers must be thawed: the processes
// take part.
func returnGPUs(ctx context.Context, entry *Entry) error {
	if len(entry.GPU) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gpuTime)
	defer cancel()
	return cuda.Find().Resume(ctx, entry.GPU)
}

// calm checks that no process of CRIU came back between the kill and the thaw.
func calm(entry *Entry) bool {
	pids, err := entry.target().Processes()
	if err != nil || len(pids) > 0 {
		return false
	}
	for _, each := range entry.Cgroups {
		// A cgroup that was removed is not frozen.
		if freezing, err := each.Freezing(); freezing && err == nil {
			return false
		}
	}
	return true
}

// Journal is a directory with one file for each entry.
type Journal string

func (j Journal) path(uid string) string { return filepath.Join(string(j), uid+".json") }

// write stores an entry so that it survives a crash of the machine.
func (j Journal) write(entry *Entry) error {
	if err := entry.Validate(); err != nil {
		return err
	}
	data, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(j), 0o700); err != nil {
		return err
	}
	temporary := j.path("." + entry.UID)
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, j.path(entry.UID))
}

func (j Journal) remove(uid string) error {
	err := os.Remove(j.path(uid))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Recover releases what the entries name, deletes their directories, and removes them. It continues after an error. It
// returns the UIDs of the entries. An entry that cannot be read is an error and stays.
func (j Journal) Recover(ctx context.Context) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(string(j), "*.json"))
	if err != nil {
		return nil, err
	}
	boot, err := proc.BootID()
	if err != nil {
		return nil, err
	}
	recovered, errs := []string{}, []error{}
	for _, name := range names {
		if strings.HasPrefix(filepath.Base(name), ".") {
			// A crash came before the rename, so before the freeze.
			errs = append(errs, os.Remove(name))
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		entry, err := parse(data)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		if entry.BootID == boot {
			if err := Release(ctx, entry); err != nil {
				errs = append(errs, fmt.Errorf("checkpoint %s: %w", entry.UID, err))
				continue
			}
		}
		recovered = append(recovered, entry.UID)
		errs = append(errs, os.RemoveAll(entry.Directory), j.remove(entry.UID))
	}
	return recovered, errors.Join(errs...)
}
