package service

import (
	"fmt"
	"os"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/restore"
	"golang.org/x/sys/unix"
)

const (
	// holdLimit is how long the service holds FIFOs for containers that are not created yet. Their images may have to be pulled.
	holdLimit = 5 * time.Minute
	// holdPeriod is the time between two reads of the state of the pod.
	holdPeriod = 50 * time.Millisecond
)

// holdRequest are the parameters of the method hold. Descriptors are those of the process that sends the request, the wrapper.
type holdRequest struct {
	podNamed
	Descriptors []int `json:"descriptors"`
}

func (r holdRequest) validate() error {
	if err := r.podNamed.validate(); err != nil {
		return err
	}
	if len(r.Descriptors) == 0 || len(r.Descriptors) > restore.MaxHeld {
		return invalid("there are %d descriptors, not 1 to %d", len(r.Descriptors), restore.MaxHeld)
	}
	return nil
}

// hold keeps FIFOs open that the wrapper opened, until all containers of the pod are restored.
func (s *Service) hold(params holdRequest, client int) (any, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	process, err := unix.PidfdOpen(client, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(process)
	files := []*os.File{}
	closeAll := func() {
		for _, each := range files {
			each.Close()
		}
	}
	for _, each := range params.Descriptors {
		file, err := takeFIFO(process, each)
		if err != nil {
			closeAll()
			return nil, err
		}
		files = append(files, file)
	}
	containers := s.containersOf(params.PodUID)
	round, _ := s.restoring(params.PodUID, containers)
	go func() {
		defer closeAll()
		limit := time.After(holdLimit)
		for {
			// What a FIFO has of an interrupted round must not reach the next one.
			if current, active := s.restoring(params.PodUID, containers); !active || current != round {
				return
			}
			select {
			case <-s.ctx.Done():
				return
			case <-limit:
				return
			case <-time.After(holdPeriod):
			}
		}
	}()
	return struct{}{}, nil
}

// takeFIFO duplicates a descriptor of another process, which must be a FIFO.
func takeFIFO(process, descriptor int) (*os.File, error) {
	taken, err := unix.PidfdGetfd(process, descriptor, 0)
	if err != nil {
		return nil, invalid("descriptor %d: %w", descriptor, err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(taken, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(taken)
		return nil, invalid("descriptor %d is no FIFO", descriptor)
	}
	return os.NewFile(uintptr(taken), fmt.Sprintf("fifo-%d", descriptor)), nil
}

// containersOf returns the containers of the checkpoint that a pod is restored from; none if it has no plan. A newer checkpoint of the
// pod has the same.
func (s *Service) containersOf(podUID string) []checkpoint.Container {
	pod, err := plan.Open(s.plans, podUID)
	if err != nil {
		return nil
	}
	defer pod.Close()
	_, c, err := pod.Current()
	if err != nil {
		return nil
	}
	return c.Containers
}

// restoring says in which round these containers of a pod are restored, and if some are not yet. It is false once a restored
// one has ended: the volumes of a pod that is deleted must not stay in use.
func (s *Service) restoring(podUID string, containers []checkpoint.Container) (round int, active bool) {
	pod, err := plan.Open(s.plans, podUID)
	if err != nil {
		return 0, false
	}
	defer pod.Close()
	state, err := pod.State()
	if err != nil || state.Decision != plan.Restore {
		return 0, false
	}
	complete := true
	for _, each := range containers {
		known := state.Containers[each.Name]
		switch {
		case known == nil || known.Phase == plan.Restoring:
			complete = false
		case known.Phase != plan.Restored:
			return 0, false
		default:
			if _, err := os.Stat(known.Cgroup); err != nil {
				return 0, false
			}
		}
	}
	return state.Rounds, !complete
}
