package dump

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cedana.ai/cdk/runtime/internal/freezer"
)

const (
	// endTime is how long the processes of a container may take to end after SIGKILL.
	endTime   = 5 * time.Second
	endPeriod = 5 * time.Millisecond
)

// End kills all processes of containers, which need not be frozen, and waits until none is left. It returns an error if some
// do not end within 5 s.
func End(cgroups []freezer.Cgroup) error {
	left := slices.Clone(cgroups)
	for end := time.Now().Add(endTime); ; time.Sleep(endPeriod) {
		err := kill(left)
		left = slices.DeleteFunc(left, isEmpty)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("the processes in %s do not end", left[0].Path), err)
		}
	}
}

// isEmpty says that a cgroup has no process, or does not exist any more.
func isEmpty(cgroup freezer.Cgroup) bool {
	found := false
	err := filepath.WalkDir(cgroup.Path, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.Name() != "cgroup.procs" {
			return err
		}
		data, err := os.ReadFile(name)
		found = found || len(data) > 0
		return err
	})
	return !found && (err == nil || errors.Is(err, os.ErrNotExist))
}
