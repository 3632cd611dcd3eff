package dump

import (
	"context"
	"errors"
	"strconv"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/guard"
	"cedana.ai/cdk/runtime/internal/pod"
)

// dumpMemory lets CRIU dump the memory of a container that runs on, and returns how long the container stood still. The container
// may be frozen after an error.
//
// It freezes the container itself, outside vfork: CRIU, which would freeze it otherwise, waits for 10 s for a process within
// vfork, and polls every 100 ms. CRIU finds it frozen, thaws it when it has stopped the processes, and freezes it again when it
// has read their memory. Then the container is thawed, while CRIU writes.
//
// CRIU runs without the OCI runtime, whose own start would lengthen the standstill. The runtime passes no option to a pre-dump
// that is missing here, but those of files, connections and namespaces, which a pre-dump does not read.
func (j *job) dumpMemory(ctx context.Context, container pod.Container, entry *guard.Entry, run criuRun) (standstill time.Duration, err error) {
	args := []string{
		"pre-dump", "--tree", strconv.Itoa(container.PID), "--freeze-cgroup", container.Cgroup.Path,
		"--images-dir", run.images, "--work-dir", run.work, "--log-file", dumpLog, "-v2",
	}
	if run.parent {
		args = append(args, "--prev-images-dir", checkpoint.Parent)
	}
	if container.Spec.Process.Terminal {
		args = append(args, "--shell-job")
	}
	cgroups := []freezer.Cgroup{container.Cgroup}
	begin := time.Now()
	if err := freezer.Freeze(ctx, cgroups); err != nil {
		return time.Since(begin), j.freezeError(err)
	}
	waiting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	thawed := make(chan error, 1)
	go func() {
		if err := container.Cgroup.FrozenAgain(waiting); err != nil {
			// CRIU has ended, or the state cannot be read: it is thawed below.
			thawed <- err
			return
		}
		err := thawOnce(ctx, cgroups)
		standstill = time.Since(begin)
		thawed <- err
	}()
	err = j.runCRIU(ctx, container, entry, run.work, j.node.CRIU, args...)
	cancel()
	if <-thawed == nil {
		return standstill, err
	}
	// After an error it is not sure that CRIU has ended, and CRIU freezes again what it found frozen.
	if err == nil {
		err = thawOnce(ctx, cgroups)
	}
	return time.Since(begin), err
}

// thawOnce thaws cgroups, also when the service stops.
func thawOnce(ctx context.Context, cgroups []freezer.Cgroup) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), thawAllowance)
	defer cancel()
	if err := freezer.Thaw(ctx, cgroups); err != nil {
		return &Error{Reason: ReasonFreeze, Err: errors.Join(errors.New("cannot thaw"), err)}
	}
	return nil
}
