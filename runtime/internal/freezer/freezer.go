// Package freezer freezes and thaws the cgroups of containers, with cgroup v1 and v2.
//
// It freezes each container's own cgroup, never the pod's: CRIU cannot seize processes below a frozen parent, and its
// dump stalls until the parent is thawed.
package freezer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Cgroup is the cgroup of one container.
type Cgroup struct {
	// Version is V1 or V2.
	Version string `json:"version"`
	// Path is the directory, as /sys/fs/cgroup/freezer/kubepods/.../ID.
	Path string `json:"path"`
}

// Versions of the cgroup hierarchy that has the freezer.
const (
	V1 = "v1"
	V2 = "v2"
)

// Root is the directory below which all cgroups are.
const Root = "/sys/fs/cgroup"

// Delays of the loops that wait for the kernel.
const (
	// poll is the time between two reads of the state. Containers were frozen after 1 to 20 ms.
	poll = time.Millisecond
	// again is after how long a v1 freeze is requested again: a process that forks meanwhile keeps it from completing.
	again = 10 * time.Millisecond
	// release is after how long a v1 cgroup is thawed for a moment: two processes that wait for each other in the kernel
	// can keep it from completing for ever.
	release = 200 * time.Millisecond
	// vforkPause is the longest time between two attempts to freeze outside vfork. A process starts a program within 1 ms, or
	// tens of ms on a machine without idle processors.
	vforkPause = 16 * time.Millisecond
	// vforkTime is how long these attempts take at most: about 100 attempts.
	vforkTime = 2 * time.Second
)

// Validate checks that a cgroup of the journal is below Root.
func (c Cgroup) Validate() error {
	if c.Version != V1 && c.Version != V2 {
		return fmt.Errorf("cgroup version %q is invalid", c.Version)
	}
	if filepath.Clean(c.Path) != c.Path || !strings.HasPrefix(c.Path, Root+"/") {
		return fmt.Errorf("cgroup %q is not below %s", c.Path, Root)
	}
	return nil
}

// Frozen says if all processes of the cgroup are frozen by its own setting.
func (c Cgroup) Frozen() (bool, error) {
	state, err := c.state()
	return state == stateFrozen, err
}

// Freezing says if a freeze was requested and not taken back, completed or not.
func (c Cgroup) Freezing() (bool, error) {
	state, err := c.state()
	return state != stateThawed, err
}

// Freeze freezes all cgroups as close to one moment as can be: it requests all of them first, then waits for each. If
// the context ends before, or one fails, it thaws all and returns an error.
//
// A process that was frozen within vfork cannot be dumped. Freeze then thaws all for a moment and tries again, for at most
// vforkTime, and returns a *SharedMemoryError after that.
func Freeze(ctx context.Context, cgroups []Cgroup) error {
	begin := time.Now()
	for pause := poll; ; pause = min(2*pause, vforkPause) {
		err := freezeOnce(ctx, cgroups)
		if err == nil {
			return nil
		}
		thawContext, cancel := context.WithTimeout(context.WithoutCancel(ctx), thawTime)
		thawError := Thaw(thawContext, cgroups)
		cancel()
		if shared := (*SharedMemoryError)(nil); thawError != nil || !errors.As(err, &shared) || time.Since(begin) >= vforkTime {
			return errors.Join(err, thawError)
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// freezeOnce may return with some cgroups frozen if it returns an error.
func freezeOnce(ctx context.Context, cgroups []Cgroup) error {
	for _, each := range cgroups {
		if err := each.request(true); err != nil {
			return err
		}
	}
	for _, each := range cgroups {
		if err := each.wait(ctx, true); err != nil {
			return err
		}
	}
	for _, each := range cgroups {
		if err := each.sharedMemory(); err != nil {
			return err
		}
	}
	return nil
}

// thawTime is how long the kernel may take to thaw.
const thawTime = 5 * time.Second

// Thaw thaws all cgroups, also if one fails. A cgroup that does not exist any more is no error.
func Thaw(ctx context.Context, cgroups []Cgroup) error {
	var errs []error
	for _, each := range cgroups {
		errs = append(errs, notExist(each.request(false)))
	}
	for _, each := range cgroups {
		errs = append(errs, notExist(each.wait(ctx, false)))
	}
	return errors.Join(errs...)
}

// notExist drops the errors of a cgroup that was removed. A write to a file that was open then returns ENODEV.
func notExist(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoDevice) {
		return nil
	}
	return err
}

func (c Cgroup) wait(ctx context.Context, frozen bool) error {
	want := stateThawed
	if frozen {
		want = stateFrozen
	}
	begin := time.Now()
	requested, released := begin, begin
	for {
		state, err := c.state()
		if err != nil || state == want {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cgroup %s is not %s: %w", c.Path, want, context.Cause(ctx))
		case <-time.After(poll):
		}
		if now := time.Now(); now.Sub(requested) >= again {
			if frozen && c.Version == V1 && now.Sub(released) >= release {
				if err := c.request(false); err != nil {
					return err
				}
				time.Sleep(poll)
				released = now
			}
			if err := c.request(frozen); err != nil {
				return err
			}
			requested = now
		}
	}
}
