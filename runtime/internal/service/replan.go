package service

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/restore"
)

// Reasons for which a plan is not replaced, besides dump.ReasonNoSpace.
const (
	// notPlanned: the pod was not restored, or has no plan any more.
	notPlanned = "NotPlanned"
	// restartsFresh: a container of the pod that ends starts fresh.
	restartsFresh = "RestartsFresh"
	// notRestored: a container of the plan does not run from the checkpoint.
	notRestored = "NotRestored"
	// otherContainers: the checkpoint has not the containers of the plan.
	otherContainers = "OtherContainers"
	// volumesShared: no container of the checkpoint can be restored again, because other containers mount its volumes.
	volumesShared = "VolumesShared"
	// notNewer: the checkpoint of the plan was taken later.
	notNewer = "NotNewer"
	// notKept: the service has no such checkpoint.
	notKept = reasonNoCheckpoint
)

// replanRequest are the parameters of the method replan.
type replanRequest struct {
	podCheckpoint
	// ReserveBytes is the free space that must remain on the disk; the default is defaultStageReserve.
	ReserveBytes int64 `json:"reserveBytes"`
}

func (r *replanRequest) validate() error {
	if r.ReserveBytes == 0 {
		r.ReserveBytes = defaultStageReserve
	}
	if err := r.podCheckpoint.validate(); err != nil {
		return err
	}
	if r.ReserveBytes < 0 {
		return invalid("reserveBytes is negative")
	}
	return nil
}

// Replanned is the result of the method replan.
type Replanned struct {
	// Replaced says that the plan of the pod names the checkpoint.
	Replaced bool `json:"replaced"`
	// Reason says why it does not.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// unchanged is the result if the plan stays as it is.
func unchanged(reason, format string, args ...any) *Replanned {
	return &Replanned{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// replan makes a checkpoint of a restored pod that of the pod's plan, if the plan restores containers again. The checkpoint
// is then no longer one of the service's, and the one that the plan had is deleted. A repeated request completes what was
// interrupted.
func (s *Service) replan(params replanRequest) (*Replanned, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	if s.inFlight(params.Checkpoint) {
		return nil, &dump.Error{Reason: reasonInFlight, Err: fmt.Errorf("checkpoint %s is in flight", params.Checkpoint)}
	}
	release, err := s.restores.begin(params.PodUID, wholePod)
	if err != nil {
		return nil, err
	}
	defer release()
	pod, err := plan.Open(s.plans, params.PodUID)
	if errors.Is(err, plan.ErrNoPlan) {
		return unchanged(notPlanned, "pod %s has no plan", params.PodUID), nil
	}
	if err != nil {
		return nil, failed(reasonLay, err)
	}
	defer pod.Close()
	result, err := s.replace(pod, params)
	if errors.Is(err, plan.ErrInUse) {
		return nil, &dump.Error{Reason: reasonInUse, Err: err}
	}
	return result, failed(reasonLay, err)
}

func (s *Service) replace(pod *plan.Pod, params replanRequest) (*Replanned, error) {
	old, current, err := pod.Current()
	if errors.Is(err, plan.ErrNoPlan) {
		return unchanged(notPlanned, "pod %s started without a plan", params.PodUID), nil
	}
	if err != nil {
		return nil, err
	}
	if old.Restart != plan.RestartAgain {
		return unchanged(restartsFresh, "the plan of pod %s has restart %s", params.PodUID, old.Restart), nil
	}
	if old.Checkpoint == params.Checkpoint {
		if err := pod.Reserve(); err != nil {
			return nil, err
		}
		return &Replanned{Replaced: true}, pod.DeleteOthers(params.Checkpoint)
	}
	directory, found, err := s.candidate(pod, params.Checkpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return unchanged(notKept, "there is no checkpoint %s on this node", params.Checkpoint), nil
	}
	if err != nil {
		return nil, err
	}
	if why := differs(current, found, params); why != nil {
		return why, nil
	}
	// Once without the lock, before all files are read, and once with it.
	if why, err := restored(pod, current); why != nil || err != nil {
		return why, err
	}
	if why, err := s.replaceable(current, params); why != nil || err != nil {
		return why, err
	}
	text, err := plan.Prepare(directory, *old)
	if err != nil {
		return nil, err
	}
	if err := pod.Reserve(); err != nil {
		return nil, err
	}
	if why, err := restored(pod, current); why != nil || err != nil {
		return why, err
	}
	return &Replanned{Replaced: true}, pod.Replace(directory, text)
}

// candidate returns the directory and the metadata of a checkpoint: one of the service's, or one that an interrupted request
// has moved into the directory of the pod.
func (s *Service) candidate(pod *plan.Pod, uid string) (string, *checkpoint.Checkpoint, error) {
	directory, moved := pod.Moved(uid)
	if !moved {
		directory = filepath.Join(s.node.Checkpoints, uid)
	}
	found, err := checkpoint.ReadIn(directory)
	return directory, found, err
}

// differs returns why a checkpoint cannot take the place of that of the plan; nil if it can.
func differs(current, found *checkpoint.Checkpoint, params replanRequest) *Replanned {
	if found.Pod.UID != params.PodUID || found.UID != params.Checkpoint {
		return unchanged(otherContainers, "checkpoint %s is of pod %s", found.UID, found.Pod.UID)
	}
	// The clock of another node says nothing here.
	if current.Pod.UID == params.PodUID && !found.CreatedAt.After(current.CreatedAt) {
		return unchanged(notNewer, "checkpoint %s of the plan was taken later", current.UID)
	}
	names := map[string]bool{}
	for _, each := range current.Containers {
		names[each.Name] = true
	}
	for _, each := range found.Containers {
		if !names[each.Name] {
			return unchanged(otherContainers, "container %s is not in the plan", each.Name)
		}
		delete(names, each.Name)
	}
	for name := range names {
		return unchanged(otherContainers, "the checkpoint is without container %s", name)
	}
	for at := range found.Containers {
		if !restore.SharesVolumes(found, &found.Containers[at]) {
			return nil
		}
	}
	return unchanged(volumesShared, "no container can be restored again: the containers share volumes or /dev/shm")
}

// restored returns a reason unless all containers of a checkpoint run from it, or will do so when they are created again.
func restored(pod *plan.Pod, current *checkpoint.Checkpoint) (*Replanned, error) {
	state, err := pod.State()
	if err != nil {
		return nil, err
	}
	if state.Decision != plan.Restore {
		return unchanged(notRestored, "the decision about the pod is %q", state.Decision), nil
	}
	for _, each := range current.Containers {
		known := state.Containers[each.Name]
		if known == nil {
			return unchanged(notRestored, "container %s was not created yet", each.Name), nil
		}
		if known.Phase != plan.Restored {
			return unchanged(notRestored, "container %s is %s", each.Name, known.Phase), nil
		}
	}
	return nil, nil
}

// replaceable returns a reason unless the reserve stays free, with what restores were promised, once the checkpoint of the
// plan is deleted.
func (s *Service) replaceable(current *checkpoint.Checkpoint, params replanRequest) (*Replanned, error) {
	free, err := freeBytes(s.plans)
	if err != nil {
		return nil, err
	}
	left := free - s.restores.promisedBytes()
	for _, each := range current.Paths() {
		left += each.Size
	}
	if left < params.ReserveBytes {
		return unchanged(dump.ReasonNoSpace, "with the checkpoint in the plan %d bytes are free, and %d must remain", left, params.ReserveBytes), nil
	}
	return nil, nil
}
