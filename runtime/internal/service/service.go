package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/pod"
	"cedana.ai/cdk/runtime/internal/restore"
	"golang.org/x/sys/unix"
)

// Service answers requests. Its zero value is not usable: use New.
type Service struct {
	node dump.Node
	// programs returns the paths of the OCI runtime and of CRIU. They can be installed while the service runs.
	programs func() (runtime, criu string, err error)
	// take is dump.Take.
	take func(context.Context, *dump.Node, dump.Request) (*dump.Result, error)
	// ctx ends when the service stops: checkpoints in flight are given up.
	ctx   context.Context
	mutex sync.Mutex
	// flights are the checkpoints in flight by UID.
	flights map[string]*flight
	// draining says that no other checkpoint may begin.
	draining bool
	requests sync.WaitGroup
	// plans has a directory for each pod to restore.
	plans    string
	restores *restores
	// exports and stages bound the streams that are processed at a time.
	exports, stages chan struct{}
	memory          *pod.MemoryReader
}

// flight is a checkpoint in flight. Several requests for one UID share it: a client that lost its connection sends the
// request again.
type flight struct {
	podUID string
	done   chan struct{}
	result *dump.Result
	err    error
}

// New prepares the directories and deletes incomplete checkpoints. Programs returns Runtime and CRIU of the node; it is
// called before each checkpoint. Plans is the directory with the plans of restores. The journal must be recovered before.
func New(
	ctx context.Context, node dump.Node, plans string, programs func() (runtime, criu string, err error),
) (*Service, error) {
	for _, each := range []string{node.Checkpoints, string(node.Journal), plans} {
		if err := os.MkdirAll(each, 0o700); err != nil {
			return nil, err
		}
		if err := private(each); err != nil {
			return nil, err
		}
	}
	s := &Service{
		node: node, programs: programs, take: dump.Take, ctx: ctx, flights: map[string]*flight{}, plans: plans, restores: newRestores(),
		exports: make(chan struct{}, maxStreams), stages: make(chan struct{}, maxStreams), memory: pod.NewMemoryReader(node.Paths),
	}
	return s, errors.Join(removeIncomplete(node.Checkpoints), removePrefix(plans, plan.RemovedPrefix), s.promiseStagings())
}

// private checks that a directory belongs to this process's user, root, who alone has access.
func private(directory string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(directory, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR || int(stat.Uid) != os.Geteuid() || stat.Mode&0o077 != 0 {
		return fmt.Errorf("%s is not a directory to which only root has access", directory)
	}
	return nil
}

// removeIncomplete deletes directories of checkpoints that ended before their journal entry was written.
func removeIncomplete(directory string) error { return removePrefix(directory, dump.WorkPrefix) }

// answer processes one request.
func (s *Service) answer(read request) (any, error) {
	switch read.Method {
	case "checkpoint":
		var params dump.Request
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.checkpoint(params)
	case "forget":
		var params named
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.forget(params)
	case "state":
		var params struct{}
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.state()
	case "lay":
		var params layRequest
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.lay(params)
	case "decline":
		var params declineRequest
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.decline(params)
	case "loseMemory":
		var params loseRequest
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.loseMemory(params)
	case "usage":
		var params usageRequest
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.usage(params)
	case "replan":
		var params replanRequest
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.replan(params)
	case restore.HoldMethod:
		var params holdRequest
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		return s.hold(params, read.client)
	case "outcome", "forgetPlan":
		var params podNamed
		if err := parameters(read.Params, &params); err != nil {
			return nil, err
		}
		if read.Method == "outcome" {
			return s.outcome(params)
		}
		return s.forgetPlan(params)
	default:
		return nil, &dump.Error{Reason: reasonUnknownMethod, Err: fmt.Errorf("method %.40q is unknown", read.Method)}
	}
}

// checkpoint takes a checkpoint, joins one in flight with the same UID, or returns the existing one.
func (s *Service) checkpoint(params dump.Request) (*dump.Result, error) {
	if err := params.Normalize(); err != nil {
		return nil, &dump.Error{Reason: dump.ReasonInvalid, Err: err}
	}
	s.mutex.Lock()
	current, exists := s.flights[params.UID]
	if !exists {
		if s.draining {
			s.mutex.Unlock()
			return nil, &dump.Error{Reason: dump.ReasonInterrupted, Err: errors.New("the service is being restarted")}
		}
		for uid, each := range s.flights {
			if each.podUID == params.PodUID {
				s.mutex.Unlock()
				return nil, &dump.Error{Reason: reasonInFlight, Err: fmt.Errorf("checkpoint %s of this pod is in flight", uid)}
			}
		}
		current = &flight{podUID: params.PodUID, done: make(chan struct{})}
		s.flights[params.UID] = current
	}
	s.mutex.Unlock()
	if exists {
		<-current.done
	} else {
		current.result, current.err = s.takeOnce(params)
		s.mutex.Lock()
		delete(s.flights, params.UID)
		s.mutex.Unlock()
		close(current.done)
	}
	return current.result, current.err
}

// Drain waits until no checkpoint is in flight, for at most the limit. No other one begins; other requests are answered as
// before. It is for an update of the service, which would fail the checkpoints in flight otherwise.
func (s *Service) Drain(limit time.Duration) {
	s.mutex.Lock()
	s.draining = true
	flights := slices.Collect(maps.Values(s.flights))
	s.mutex.Unlock()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for _, each := range flights {
		select {
		case <-each.done:
		case <-deadline.C:
			return
		}
	}
}

// takeOnce takes a checkpoint unless it exists.
func (s *Service) takeOnce(params dump.Request) (*dump.Result, error) {
	existing, err := s.existing(params)
	if existing != nil || err != nil {
		return existing, err
	}
	if err := s.notLoading(params.PodUID); err != nil {
		return nil, err
	}
	node := s.node
	if node.Runtime, node.CRIU, err = s.programs(); err != nil {
		return nil, &dump.Error{Reason: dump.ReasonNotPossible, Err: err}
	}
	return s.take(s.ctx, &node, params)
}

// existing returns the checkpoint of an earlier request with the same UID, whose response was lost.
func (s *Service) existing(params dump.Request) (*dump.Result, error) {
	directory := filepath.Join(s.node.Checkpoints, params.UID)
	root, err := os.OpenRoot(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer root.Close()
	c, err := checkpoint.Read(root)
	if err != nil {
		return nil, err
	}
	if c.Pod.UID != params.PodUID {
		return nil, &dump.Error{Reason: dump.ReasonInvalid, Err: fmt.Errorf("checkpoint %s is of another pod", params.UID)}
	}
	if params.Stop {
		isLast, err := s.stopped(c)
		if err != nil {
			return nil, err
		}
		if !isLast {
			return nil, s.remove(params.UID)
		}
	}
	return &dump.Result{Checkpoint: c, Directory: directory}, nil
}

// stopped says if a checkpoint is the last state of its containers: the service can have died before it ended them. If it
// ended some of them, the checkpoint is the only copy of their state, so the others are ended too. A container that the
// kubelet created later is another one.
func (s *Service) stopped(c *checkpoint.Checkpoint) (bool, error) {
	found, err := pod.Find(s.node.Paths, c.Pod.UID)
	if errors.Is(err, pod.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	running := []freezer.Cgroup{}
	for _, each := range found.Containers {
		if slices.ContainsFunc(c.Containers, func(of checkpoint.Container) bool { return of.ID == each.ID }) {
			running = append(running, each.Cgroup)
		}
	}
	if len(running) == len(c.Containers) {
		return false, nil
	}
	return true, dump.End(running)
}

// forget deletes a checkpoint. It is no error if there is none.
func (s *Service) forget(params named) (any, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	if s.inFlight(params.UID) {
		return nil, &dump.Error{Reason: reasonInFlight, Err: fmt.Errorf("checkpoint %s is in flight", params.UID)}
	}
	return struct{}{}, s.remove(params.UID)
}

func (s *Service) inFlight(uid string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	_, inFlight := s.flights[uid]
	return inFlight
}

// remove deletes a checkpoint. It first gets the name of an incomplete one: a crash in the middle leaves nothing that looks
// whole.
func (s *Service) remove(uid string) error {
	hidden := filepath.Join(s.node.Checkpoints, dump.WorkPrefix+uid)
	err := os.Rename(filepath.Join(s.node.Checkpoints, uid), hidden)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(hidden)
}

// State is the result of the method state.
type State struct {
	// Checkpoints are the complete ones, sorted by UID.
	Checkpoints []StateCheckpoint `json:"checkpoints"`
	// InFlight are the UIDs of the others, sorted.
	InFlight []string `json:"inFlight"`
	// Plans and Stagings are sorted by the pod's UID.
	Plans    []StatePlan    `json:"plans"`
	Stagings []StateStaging `json:"stagings"`
	// FreeBytes is the free space of the disk with the checkpoints.
	FreeBytes int64 `json:"freeBytes"`
}

// StateCheckpoint is a checkpoint on the disk.
type StateCheckpoint struct {
	UID    string `json:"uid"`
	PodUID string `json:"podUID"`
	Bytes  int64  `json:"bytes"`
}

func (s *Service) state() (*State, error) {
	state := &State{Checkpoints: []StateCheckpoint{}, InFlight: []string{}}
	s.mutex.Lock()
	for uid := range s.flights {
		state.InFlight = append(state.InFlight, uid)
	}
	s.mutex.Unlock()
	slices.Sort(state.InFlight)
	var err error
	if state.FreeBytes, err = freeBytes(s.node.Checkpoints); err != nil {
		return nil, err
	}
	if err := s.planState(state); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(s.node.Checkpoints)
	for _, each := range entries {
		root, err := os.OpenRoot(filepath.Join(s.node.Checkpoints, each.Name()))
		if err != nil {
			continue
		}
		// One that cannot be read is not a checkpoint, or is being deleted.
		if c, err := checkpoint.Read(root); err == nil && c.UID == each.Name() {
			found := StateCheckpoint{UID: c.UID, PodUID: c.Pod.UID}
			for _, file := range c.Paths() {
				found.Bytes += file.Size
			}
			state.Checkpoints = append(state.Checkpoints, found)
		}
		root.Close()
	}
	return state, err
}

// encode returns the line of a response.
func encode(id string, result any, err error) []byte {
	answer := response{ID: id, Result: result}
	if err != nil {
		answer = response{ID: id, Error: failureOf(err)}
	}
	line, err := json.Marshal(answer)
	if err != nil {
		line, _ = json.Marshal(response{ID: id, Error: failureOf(err)})
	}
	return append(line, '\n')
}
