package dump

import (
	"context"
	"os/exec"
	"path/filepath"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
)

// supersededTime is the longest time of one run. CRIU took 4 s for 20,000 pages on an emulated processor.
const supersededTime = time.Minute

// freeSuperseded makes holes in the sets of pre-dumps where a later pass wrote the same page: nothing reads it, and the disk
// and the registry need not store it. The checkpoint is as good without it, so a failure is none of the checkpoint's.
func (j *job) freeSuperseded(ctx context.Context) {
	for i, container := range j.containers {
		if j.pre.passes[i] == 0 {
			continue
		}
		images := filepath.Join(j.work, checkpoint.Containers, container.Name, checkpoint.Images)
		log := filepath.Join(j.work, "work", container.Name, "dedup.log")
		mark := criu.NewMark()
		command := exec.Command(j.node.CRIU, "dedup", "--images-dir", images, "--log-file", log)
		// CRIU opens the parent relative to its own directory.
		command.Dir, command.Env = images, criu.Environment(mark, filepath.Join(j.work, configFile))
		if ctx.Err() == nil {
			_ = criu.Run(ctx, command, mark, log, criu.Limits{Time: supersededTime, LogBytes: logBytes})
		}
	}
}
