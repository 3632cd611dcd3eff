package restore

import (
	"fmt"
	"os"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/plan"
)

// interruption returns why a container that is created again was not restored for good; empty if it was: then it ran, and ended.
func (r *run) interruption(known *plan.Container) string {
	name := r.Pod.Container
	switch {
	case known.Phase == plan.Restoring:
		return fmt.Sprintf("the restore of %s was interrupted", name)
	case known.Phase == plan.Restored && r.unstarted(name):
		return name + " ended before it was started"
	case known.Phase == plan.Restored && !r.restartsAlone():
		// The other one would go on from the checkpoint without this one.
		if other := r.missing(); other != "" {
			return fmt.Sprintf("%s ended before %s was started", name, other)
		}
	}
	return ""
}

// restartsAlone says if this container is restored again when it ends, without the others.
func (r *run) restartsAlone() bool {
	return r.plan.Restart == plan.RestartAgain && !SharesVolumes(r.checkpoint, r.container)
}

// beginAgain removes what an interrupted restore left, and makes all containers of the pod be restored again: those that ran saw
// what the interrupted one did. The kubelet creates the containers again that it ends. It returns an error if the restore was
// interrupted too often.
func (r *run) beginAgain(known *plan.Container, cause string) error {
	if err := removeLeftovers(r.Runtime, known.RuntimeRoot, r.Call.SystemdCgroup, known.ID, known.Cgroup, r.work()); err != nil {
		return fmt.Errorf("%s; %w", cause, err)
	}
	// If the shim or containerd ended, the wrapper is not asked to delete the container.
	_ = os.Remove(filepath.Join(r.Marks, known.ID))
	if known.Attempts >= maxAttempts {
		return fmt.Errorf("%s; its restore began %d times", cause, known.Attempts)
	}
	if len(r.state.Containers) > 1 {
		if r.state.Rounds++; r.state.Rounds >= maxAttempts {
			return fmt.Errorf("%s; the restore of the pod began %d times", cause, r.state.Rounds)
		}
	}
	for name, each := range r.state.Containers {
		if name == r.Pod.Container {
			continue
		}
		if err := killContainer(each.Cgroup); err != nil {
			return fmt.Errorf("%s; container %s: %w", cause, name, err)
		}
		if each.Phase != plan.Restoring {
			// Its next creation is its first of this round.
			delete(r.state.Containers, name)
		}
	}
	for _, each := range r.state.Volumes {
		each.Complete = false
	}
	return nil
}
