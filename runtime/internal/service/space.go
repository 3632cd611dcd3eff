package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/plan"
	"golang.org/x/sys/unix"
)

// freeBytes returns the free space of a directory's disk.
func freeBytes(directory string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(directory, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// space promises the disk space of a checkpoint to a pod, besides what other pods were promised.
func (s *Service) space(podUID string, asked promise) error {
	fits, err := s.restores.admit(podUID, asked, func() (int64, error) { return freeBytes(s.plans) })
	if err == nil && !fits {
		err = noSpace(fmt.Errorf("the checkpoint needs %d bytes besides what other restores need, and %d must remain free", asked.bytes, asked.reserve))
	}
	return err
}

// fits checks that so many bytes can be written now.
func (s *Service) fits(bytes, reserve int64) error {
	free, err := freeBytes(s.plans)
	if err == nil && bytes > free-reserve {
		err = noSpace(fmt.Errorf("the next part has %d bytes, %d are free and %d must remain", bytes, free, reserve))
	}
	return err
}

func noSpace(err error) error {
	return &dump.Error{Reason: dump.ReasonNoSpace, Err: err, Remedy: "use nodes with a larger disk"}
}

// promiseStagings promises the disk space that the stagings of an earlier service still need.
func (s *Service) promiseStagings() error {
	names, err := filepath.Glob(filepath.Join(s.plans, plan.StagingPrefix+"*", "*", checkpoint.File))
	for _, name := range names {
		directory := filepath.Dir(name)
		podUID := strings.TrimPrefix(filepath.Base(filepath.Dir(directory)), plan.StagingPrefix)
		root, openErr := os.OpenRoot(directory)
		if openErr != nil {
			continue
		}
		// One that cannot be read is staged again.
		if c, readErr := checkpoint.Read(root); readErr == nil {
			left := promise{reserve: defaultStageReserve}
			for path, file := range c.Paths() {
				if _, missing := root.Lstat(path); missing != nil {
					left.bytes += file.Size
				}
			}
			s.restores.promised[podUID] = left
		}
		root.Close()
	}
	return err
}
