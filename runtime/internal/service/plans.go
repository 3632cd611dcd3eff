package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/restore"
)

const (
	reasonNotStaged = "CheckpointNotStaged"
	reasonLay       = "PlanFailed"
)

// layRequest are the parameters of the method lay. The fields are those of a plan.
type layRequest struct {
	PodUID         string    `json:"podUID"`
	Checkpoint     string    `json:"checkpoint"`
	Deadline       time.Time `json:"deadline"`
	Fallback       string    `json:"fallback"`
	Restart        string    `json:"restart"`
	Lazy           bool      `json:"lazy"`
	MemorySeconds  int       `json:"memorySeconds"`
	RestoreSeconds int       `json:"restoreSeconds"`
	LogBytes       int64     `json:"logBytes"`
}

func (r layRequest) plan() (plan.Plan, error) {
	made := plan.Plan{
		Version: plan.Version, PodUID: r.PodUID, Checkpoint: r.Checkpoint, Deadline: r.Deadline, Fallback: r.Fallback,
		Restart: r.Restart, Lazy: r.Lazy, MemorySeconds: r.MemorySeconds, RestoreSeconds: r.RestoreSeconds, LogBytes: r.LogBytes,
	}
	// Write replaces it by what it finds. Everything else is checked here, before a failure costs what is staged.
	made.Metadata = plan.Metadata{Size: 1, SHA256: strings.Repeat("0", 64)}
	if err := made.Validate(); err != nil {
		return made, invalid("%w", err)
	}
	return made, nil
}

// lay verifies what is staged for a pod and publishes it with its plan, in one rename. It does nothing if the pod has a
// plan of the same checkpoint.
func (s *Service) lay(params layRequest) (any, error) {
	written, err := params.plan()
	if err != nil {
		return nil, err
	}
	release, err := s.restores.begin(params.PodUID, wholePod)
	if err != nil {
		return nil, err
	}
	defer release()
	found, err := s.planned(params.PodUID, params.Checkpoint)
	if found || err != nil {
		return struct{}{}, err
	}
	directory := s.staging(params.PodUID)
	if err := removePrefix(directory, partPrefix); errors.Is(err, fs.ErrNotExist) {
		return nil, &dump.Error{Reason: reasonNotStaged, Err: fmt.Errorf("no checkpoint is staged for pod %s", params.PodUID)}
	} else if err != nil {
		return nil, failed(reasonLay, err)
	}
	written.Seal = s.restores.sealsOf(params.PodUID)
	if err := plan.Write(directory, written); err != nil {
		s.restores.end(params.PodUID)
		err = &dump.Error{Reason: reasonNotStaged, Err: fmt.Errorf("what is staged for pod %s is not valid: %w", params.PodUID, err)}
		return nil, errors.Join(err, os.RemoveAll(directory))
	}
	err = plan.Publish(s.plans, plan.StagingPrefix+params.PodUID, params.PodUID)
	if errors.Is(err, plan.ErrPlanExists) {
		// The wrapper declined at the same time.
		_, err = s.planned(params.PodUID, params.Checkpoint)
	}
	if err != nil {
		return nil, failed(reasonLay, err)
	}
	s.restores.end(params.PodUID)
	return struct{}{}, nil
}

// podNamed are the parameters of a request about one pod.
type podNamed struct {
	PodUID string `json:"podUID"`
}

func (p podNamed) validate() error {
	if !checkpoint.IsUID(p.PodUID) {
		return invalid("podUID %.80q is invalid", p.PodUID)
	}
	return nil
}

// podCheckpoint are the parameters of methods that prepare a checkpoint for a pod.
type podCheckpoint struct {
	podNamed
	Checkpoint string `json:"checkpoint"`
}

func (p podCheckpoint) validate() error {
	if err := p.podNamed.validate(); err != nil {
		return err
	}
	if !checkpoint.IsUID(p.Checkpoint) {
		return invalid("checkpoint %.80q is invalid", p.Checkpoint)
	}
	return nil
}

// Outcome is the result of the method outcome.
type Outcome struct {
	// Checkpoint is that of the plan; empty if there is none.
	Checkpoint string `json:"checkpoint,omitempty"`
	// Decision is one of the constants of package plan.
	Decision  string    `json:"decision"`
	Reason    string    `json:"reason,omitempty"`
	Message   string    `json:"message,omitempty"`
	DecidedAt time.Time `json:"decidedAt,omitzero"`
	// Containers are all containers of the plan's checkpoint, sorted by name.
	Containers []OutcomeContainer `json:"containers"`
}

// OutcomeContainer is what happened to one container.
type OutcomeContainer struct {
	Name string `json:"name"`
	// Phase is one of the constants of package plan, or Pending.
	Phase        string `json:"phase"`
	Attempts     int    `json:"attempts"`
	Milliseconds int64  `json:"milliseconds,omitempty"`
	// Memory is the phase of memory that is loaded while the processes run, one of the constants of package lazy.
	Memory string `json:"memory,omitempty"`
	// Arriving says that memory is still to come from the client.
	Arriving bool `json:"arriving,omitempty"`
	// Eager is why memory was loaded before the processes ran although the plan is lazy.
	Eager string `json:"eager,omitempty"`
}

// Pending is the phase of a container that was not created yet.
const Pending = "Pending"

// outcome returns what the wrapper decided and did. A pod without a plan is undecided.
func (s *Service) outcome(params podNamed) (*Outcome, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	outcome := &Outcome{Containers: []OutcomeContainer{}}
	pod, err := plan.Open(s.plans, params.PodUID)
	if errors.Is(err, plan.ErrNoPlan) {
		return outcome, nil
	}
	if err != nil {
		return nil, err
	}
	defer pod.Close()
	if err := restore.CheckMemory(pod); err != nil {
		return nil, err
	}
	state, err := pod.State()
	if err != nil {
		return nil, err
	}
	outcome.Decision, outcome.Reason, outcome.Message, outcome.DecidedAt = state.Decision, state.Reason, state.Message, state.DecidedAt
	found, c, err := pod.Current()
	if errors.Is(err, plan.ErrNoPlan) {
		return outcome, nil
	}
	if err != nil {
		return nil, err
	}
	outcome.Checkpoint = found.Checkpoint
	for _, each := range c.Containers {
		container := OutcomeContainer{Name: each.Name, Phase: Pending}
		if container.Arriving, err = arrives(pod, found, each.Name); err != nil {
			return nil, err
		}
		if did := state.Containers[each.Name]; did != nil {
			container.Phase, container.Attempts, container.Milliseconds = did.Phase, did.Attempts, did.Milliseconds
			container.Eager = did.Eager
			if did.Lazy {
				if container.Memory, err = restore.MemoryPhase(pod, each.Name); err != nil {
					return nil, err
				}
			}
		}
		outcome.Containers = append(outcome.Containers, container)
	}
	slices.SortFunc(outcome.Containers, func(a, b OutcomeContainer) int { return strings.Compare(a.Name, b.Name) })
	return outcome, nil
}

// arrives says if memory of a container is still to come.
func arrives(pod *plan.Pod, of *plan.Plan, container string) (bool, error) {
	memory, err := pod.Arriving(of, container)
	if err != nil || memory == nil {
		return false, err
	}
	defer memory.Close()
	return memory.Failure() == nil, nil
}

// forgetPlan deletes the plan of a pod, and what is staged for it. It is no error if there is none.
func (s *Service) forgetPlan(params podNamed) (any, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	release, err := s.restores.begin(params.PodUID, wholePod)
	if err != nil {
		return nil, err
	}
	defer release()
	s.restores.end(params.PodUID)
	if err := os.RemoveAll(s.staging(params.PodUID)); err != nil {
		return nil, err
	}
	err = plan.Remove(s.plans, params.PodUID)
	if errors.Is(err, plan.ErrInUse) {
		return nil, &dump.Error{Reason: reasonInUse, Err: err}
	}
	return struct{}{}, err
}

// StatePlan is a pod with a plan or a decision.
type StatePlan struct {
	PodUID string `json:"podUID"`
	// Checkpoint is that of the plan; empty if the pod started without one.
	Checkpoint string `json:"checkpoint,omitempty"`
}

// StateStaging is a pod for which a checkpoint is staged.
type StateStaging struct {
	PodUID     string `json:"podUID"`
	Checkpoint string `json:"checkpoint"`
}

func (s *Service) planState(state *State) error {
	state.Plans, state.Stagings = []StatePlan{}, []StateStaging{}
	uids, err := plan.Pods(s.plans)
	for _, uid := range uids {
		pod, err := plan.Open(s.plans, uid)
		if err != nil {
			continue
		}
		found := StatePlan{PodUID: uid}
		if read, err := pod.Read(); err == nil {
			found.Checkpoint = read.Checkpoint
		}
		pod.Close()
		state.Plans = append(state.Plans, found)
	}
	stagings, globErr := filepath.Glob(filepath.Join(s.plans, plan.StagingPrefix+"*", "*", checkpoint.File))
	for _, each := range stagings {
		directory := filepath.Dir(each)
		podUID := strings.TrimPrefix(filepath.Base(filepath.Dir(directory)), plan.StagingPrefix)
		state.Stagings = append(state.Stagings, StateStaging{podUID, filepath.Base(directory)})
	}
	return errors.Join(err, globErr)
}

// removePrefix deletes the entries of a directory whose names begin with a prefix.
func removePrefix(directory, prefix string) error {
	entries, err := os.ReadDir(directory)
	for _, each := range entries {
		if strings.HasPrefix(each.Name(), prefix) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(directory, each.Name())))
		}
	}
	return err
}
