package plan

import (
	"io/fs"
	"strings"

	"cedana.ai/cdk/runtime/internal/checkpoint"
)

// StagingPrefix begins the name of the directory with what is staged for a pod, beside the plans.
const StagingPrefix = ".staging-"

// Staged returns the metadata of the checkpoint that is staged for a pod. Its other files may be missing: only a plan says that
// they are complete. It returns ErrNoPlan if no metadata is staged, and an error unless the directories belong to root.
func Staged(base, uid string) (*checkpoint.Checkpoint, error) {
	staging, err := openOf(base, StagingPrefix, uid)
	if err != nil {
		return nil, err
	}
	defer staging.Close()
	entries, err := fs.ReadDir(staging.FS(), ".")
	if err != nil {
		return nil, err
	}
	for _, each := range entries {
		// Incomplete parts have hidden directories. Memory that arrives later has one beside the checkpoint.
		if strings.HasPrefix(each.Name(), ".") || !each.IsDir() || reserved[each.Name()] {
			continue
		}
		inside, err := staging.OpenRoot(each.Name())
		if err != nil {
			return nil, err
		}
		defer inside.Close()
		return checkpoint.Read(inside)
	}
	return nil, ErrNoPlan
}
