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
)

// layParams are the parameters of the method lay.
type layParams struct {
	// UID is the UID of the checkpoint. The agent has put its directory below Incoming; else it was taken on this node.
	UID            string    `json:"uid"`
	PodUID         string    `json:"podUID"`
	Deadline       time.Time `json:"deadline"`
	Fallback       string    `json:"fallback"`
	Restart        string    `json:"restart"`
	Lazy           bool      `json:"lazy"`
	RestoreSeconds int       `json:"restoreSeconds"`
	LogBytes       int64     `json:"logBytes"`
}

// reasonPlanExists says that the pod has a plan, or that its containers were started without one.
const reasonPlanExists = "PlanExists"

// layPrefix begins the names of directories of plans that are not complete.
const layPrefix = ".incomplete-"

// lay verifies a checkpoint and gives a pod the plan to restore it, in one rename.
func (s *Service) lay(params layParams) (any, error) {
	invalid := func(err error) error { return &dump.Error{Reason: dump.ReasonInvalid, Err: err} }
	if err := (named{params.UID}).validate(); err != nil {
		return nil, err
	}
	if !checkpoint.IsUID(params.PodUID) {
		return nil, invalid(fmt.Errorf("podUID %.80q is invalid", params.PodUID))
	}
	s.laying.Lock()
	defer s.laying.Unlock()
	final := filepath.Join(s.plans, params.PodUID)
	if _, err := os.Lstat(final); err == nil {
		return nil, &dump.Error{Reason: reasonPlanExists, Err: fmt.Errorf("pod %s has a plan or was started", params.PodUID)}
	}
	temporary := filepath.Join(s.plans, layPrefix+params.PodUID)
	if err := errors.Join(os.RemoveAll(temporary), os.Mkdir(temporary, 0o700)); err != nil {
		return nil, err
	}
	defer os.RemoveAll(temporary)
	inside := filepath.Join(temporary, params.UID)
	from, err := s.provide(params.UID, inside)
	if err != nil {
		return nil, err
	}
	err = plan.Write(temporary, plan.Plan{
		PodUID: params.PodUID, Checkpoint: params.UID, Deadline: params.Deadline, Fallback: params.Fallback,
		Restart: params.Restart, Lazy: params.Lazy, RestoreSeconds: params.RestoreSeconds, LogBytes: params.LogBytes,
	})
	if err == nil {
		// Fails if the wrapper declined meanwhile: its directory is not empty.
		err = os.Rename(temporary, final)
		if errors.Is(err, fs.ErrExist) {
			err = &dump.Error{Reason: reasonPlanExists, Err: fmt.Errorf("pod %s was started without a plan", params.PodUID)}
		}
	} else {
		err = invalid(err)
	}
	if err != nil {
		// The agent can lay it again with other parameters.
		return nil, errors.Join(err, os.Rename(inside, from))
	}
	return struct{}{}, nil
}

const reasonNoCheckpoint = "CheckpointNotFound"

// provide moves the checkpoint that the agent fetched, or else the one that was taken on this node, to the place of the
// plan. It returns where it was. A checkpoint of this node that another pod needs too is fetched again: a file of a plan
// may not have a second name, through which it could be changed.
func (s *Service) provide(uid, to string) (from string, err error) {
	for _, directory := range []string{s.incoming, s.node.Checkpoints} {
		from = filepath.Join(directory, uid)
		if err = os.Rename(from, to); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return from, err
		}
	}
	return "", &dump.Error{Reason: reasonNoCheckpoint, Err: fmt.Errorf("checkpoint %s is not on this node", uid)}
}

// StateRestore is the plan of a pod and what the wrapper did with it.
type StateRestore struct {
	PodUID string `json:"podUID"`
	// Planned is false if the wrapper started the pod without a plan.
	Planned bool        `json:"planned"`
	State   *plan.State `json:"state,omitempty"`
	// Error says why the directory cannot be read.
	Error string `json:"error,omitempty"`
}

// restores lists the pods that have a directory of a plan, sorted by UID.
func (s *Service) restores() ([]StateRestore, error) {
	entries, err := os.ReadDir(s.plans)
	list := []StateRestore{}
	for _, each := range entries {
		if !checkpoint.IsUID(each.Name()) {
			continue
		}
		found := StateRestore{PodUID: each.Name()}
		opened, err := plan.Open(s.plans, each.Name())
		if err != nil {
			found.Error = err.Error()
			list = append(list, found)
			continue
		}
		_, planError := opened.Read()
		found.Planned = planError == nil
		if planError != nil && !errors.Is(planError, plan.ErrNoPlan) {
			found.Error = planError.Error()
		}
		if found.State, err = opened.State(); err != nil {
			found.State, found.Error = nil, err.Error()
		}
		opened.Close()
		list = append(list, found)
	}
	slices.SortFunc(list, func(a, b StateRestore) int { return strings.Compare(a.PodUID, b.PodUID) })
	return list, err
}

// forgetPlan deletes the plan of a pod, which must not exist on this node any more: a container that is restored lazily
// reads from it.
func (s *Service) forgetPlan(podUID string) (any, error) {
	if !checkpoint.IsUID(podUID) {
		return nil, &dump.Error{Reason: dump.ReasonInvalid, Err: fmt.Errorf("podUID %.80q is invalid", podUID)}
	}
	s.laying.Lock()
	defer s.laying.Unlock()
	hidden := filepath.Join(s.plans, layPrefix+podUID)
	if err := os.RemoveAll(hidden); err != nil {
		return nil, err
	}
	err := os.Rename(filepath.Join(s.plans, podUID), hidden)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return struct{}{}, os.RemoveAll(hidden)
}
