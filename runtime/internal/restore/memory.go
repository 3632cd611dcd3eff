package restore

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/lazy"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/proc"
)

const (
	// arrivalPeriod is the time between two looks at what has arrived of the memory of a container.
	arrivalPeriod = 20 * time.Millisecond
)

// errMemory is returned if memory that CRIU reads itself does not arrive.
var errMemory = errors.New("the memory of the container is not on the node")

// serveMemory starts the server of memory if the plan is lazy. If memory cannot be loaded on access here, it is loaded
// before the processes run, and the entry says why.
func (r *run) serveMemory(entry *plan.Container) error {
	if !r.plan.Lazy || entry.Eager != "" {
		return r.awaitMemory(true)
	}
	if r.container.GPU != nil {
		// All of it goes to the GPU at once.
		entry.Eager = "the processes use a GPU"
		return r.awaitMemory(true)
	}
	if err := r.awaitMemory(false); err != nil {
		return err
	}
	order := lazy.Order{
		Images: r.images(), Cgroup: r.cgroup, Plans: r.Plans, PodUID: r.pod.UID, Service: r.Service,
		Container: r.Pod.Container, ID: r.Call.ID, Seconds: r.plan.MemoryLimit(),
	}
	memory, err := r.pod.Arriving(r.plan, r.container.Name)
	if err != nil {
		return err
	}
	if memory != nil {
		memory.Close()
		order.Arriving = r.pod.Path(plan.MemoryDirectory, r.container.Name)
	}
	server, err := lazy.Start(r.work(), order)
	if errors.Is(err, lazy.ErrUnfit) {
		entry.Eager = err.Error()
		return r.awaitMemory(true)
	}
	if err != nil {
		return err
	}
	r.memory, entry.Lazy = server, true
	return nil
}

// awaitMemory waits for the memory of this container that arrives after the plan: for all of it, or for what CRIU reads itself,
// which is there unless the node was started again. It returns errMemory if that does not come in time.
func (r *run) awaitMemory(all bool) error {
	boot, err := proc.BootID()
	if err != nil {
		return err
	}
	for end := time.Now().Add(r.timeLimit()); ; time.Sleep(arrivalPeriod) {
		memory, err := r.pod.Arriving(r.plan, r.container.Name)
		if err != nil || memory == nil {
			return err
		}
		failure, fit := memory.Failure(), memory.Fit(boot)
		memory.Close()
		switch {
		case failure != nil:
			return fmt.Errorf("%w: %w", errMemory, failure)
		case fit && !all:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%w: it did not arrive in time", errMemory)
		}
	}
}

// LoseMemory handles a container whose memory could not be loaded, and whose processes were killed: the restore of the pod
// has failed, so the processes of its other containers are killed too, volumes become as before, and all containers start
// fresh, or fail, as the plan demands. A plan that restores a container again does so, with all memory before it runs.
func LoseMemory(order lazy.Order, message string) error {
	pod, err := plan.Open(order.Plans, order.PodUID)
	if errors.Is(err, plan.ErrNoPlan) {
		// The pod was deleted.
		return nil
	}
	if err != nil {
		return err
	}
	defer pod.Close()
	if err := pod.Lock(); err != nil {
		return err
	}
	state, err := pod.State()
	if err != nil {
		return err
	}
	entry := state.Containers[order.Container]
	if state.Decision != plan.Restore || entry == nil || entry.ID != order.ID || entry.Phase != plan.Restored {
		// A later creation has decided.
		return nil
	}
	read, err := pod.Read()
	if err != nil {
		return err
	}
	entry.Eager = message
	if read.Restart == plan.RestartAgain && !sharesAnyVolume(pod, read, order.Container) {
		return pod.Save(state)
	}
	state.Decision, state.Reason, state.Message = plan.Fresh, plan.ReasonMemory, message
	if read.Fallback == plan.FallbackFail {
		state.Decision = plan.Fail
	}
	state.DecidedAt = time.Now().UTC()
	entry.Phase = plan.Failed
	errs := []error{pod.Save(state)}
	for _, each := range state.Containers {
		if each.Phase == plan.Restored {
			if err := killContainer(each.Cgroup); err != nil {
				errs = append(errs, err)
				continue
			}
			each.Phase = plan.Failed
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	errs = append(errs, resetVolumes(pod, state))
	if state.Network != "" {
		errs = append(errs, unlockLoopback(state.Network))
		state.Network = ""
	}
	return errors.Join(append(errs, pod.Save(state))...)
}

// MemoryPhase returns the phase of the server of a container whose memory is loaded while its processes run.
func MemoryPhase(pod *plan.Pod, container string) (string, error) {
	status, err := lazy.Read(pod.Path(plan.WorkDirectory, container))
	if err != nil || status == nil {
		return "", err
	}
	return status.Phase, nil
}

// CheckMemory ends the containers of a pod that run while neither a server nor its keeper loads their memory: both were
// killed at once. Their processes may have read zeros.
func CheckMemory(pod *plan.Pod) error {
	directories, err := filepath.Glob(pod.Path(plan.WorkDirectory, "*"))
	if err != nil {
		return err
	}
	for _, each := range directories {
		// Before the status: a server writes the last one before it ends.
		active, err := lazy.Active(each)
		if err != nil {
			return err
		}
		status, err := lazy.Read(each)
		if err != nil {
			return err
		}
		if active || status == nil || status.Phase != lazy.Loading {
			continue
		}
		message := "the server of memory and its keeper were killed before all pages were loaded"
		if err := killContainer(status.Order.Cgroup); err != nil {
			return err
		}
		status.Phase, status.Message = lazy.Lost, message
		if err := errors.Join(status.Save(each), LoseMemory(status.Order, message)); err != nil {
			return err
		}
	}
	return nil
}

// sharesAnyVolume says if a container of the plan's checkpoint has a volume in common with another one. It is true if the
// checkpoint cannot be read.
func sharesAnyVolume(pod *plan.Pod, of *plan.Plan, container string) bool {
	found, err := checkpoint.ReadIn(pod.Path(of.Checkpoint))
	if err != nil {
		return true
	}
	at := slices.IndexFunc(found.Containers, func(each checkpoint.Container) bool { return each.Name == container })
	return at < 0 || SharesVolumes(found, &found.Containers[at])
}

// EndContainer ends all processes in the cgroup of a container.
func EndContainer(cgroup string) error { return killContainer(cgroup) }
