package restore

import (
	"errors"
	"fmt"
	"time"

	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// giveUp decides that no container of the pod is restored, and removes all traces of the restore. The container then
// starts fresh in the same call, or fails, as the plan or the pod demands.
func (r *run) giveUp(reason string, cause error) (Outcome, error) {
	decision := plan.Fresh
	if r.Pod.Stop || r.plan != nil && r.plan.Fallback == plan.FallbackFail {
		decision = plan.Fail
	}
	began := r.state.Containers[r.Pod.Container]
	r.state.Decision, r.state.Reason, r.state.Message = decision, reason, cause.Error()
	r.state.DecidedAt = time.Now().UTC()
	// Before the traces are removed: an interruption must not lead to another restore.
	err := r.pod.Save(r.state)
	reset, resetErr := r.reset(began)
	err = errors.Join(err, resetErr)
	phase := plan.StartedFresh
	switch {
	case err != nil:
		// The next creation begins with a new root file system, and finds the decision.
		r.state.Message += "; " + err.Error()
		phase = plan.Failed
	case !reset:
		phase, err = plan.Failed, errors.New("its files were changed: the next creation starts fresh")
	case decision == plan.Fail:
		phase = plan.Failed
	}
	if r.cgroup != "" {
		r.record(phase)
	}
	err = errors.Join(err, r.pod.Save(r.state))
	if phase == plan.Failed || err != nil {
		return Failed, errors.Join(fmt.Errorf("%s: %w", reason, cause), err)
	}
	return Fresh, nil
}

// reset removes what was restored: the processes of all containers of the pod, then their volumes, this container's root
// file system and the pod's host name. It returns false if the root file system could not be reset.
func (r *run) reset(began *plan.Container) (bool, error) {
	var errs []error
	current := began != nil && began.ID == r.Call.ID
	if current {
		errs = append(errs, removeLeftovers(r.Runtime, r.Call.Root, r.Call.SystemdCgroup, r.Call.ID, r.cgroup, r.work()))
	}
	for name, each := range r.state.Containers {
		if name != r.Pod.Container && each.Phase == plan.Restored {
			if err := killContainer(each.Cgroup); err != nil {
				errs = append(errs, fmt.Errorf("container %s: %w", name, err))
				continue
			}
			each.Phase = plan.Failed
		}
	}
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	errs = append(errs, resetVolumes(r.pod, r.state))
	if uts := r.uts(); uts != "" && r.state.Hostname != "" {
		errs = append(errs, setHostname(uts, r.state.Hostname))
	}
	if r.checkpoint != nil && r.spec != nil && r.locksNetwork() {
		errs = append(errs, unlockLoopback(r.network()))
	}
	if !current || !began.Changed && r.overlay == nil {
		return true, errors.Join(errs...)
	}
	// runc created mount points, also where no file was restored.
	if r.overlay == nil {
		return false, errors.Join(errs...)
	}
	return true, errors.Join(append(errs, r.overlay.reset())...)
}

func (r *run) uts() string {
	if r.spec == nil {
		return ""
	}
	path, _ := oci.Namespace(r.spec, specs.UTSNamespace)
	return path
}
