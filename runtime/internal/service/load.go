package service

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/proc"
)

// answerLoad has the parameters of stage for the same part.
func (s *Service) answerLoad(from *stream, read request) { from.receive(read, s.load) }

// load gets the memory of a container that arrives after the plan. Begin is called if some is missing.
func (s *Service) load(params stageRequest, begin begin) error {
	release, err := s.restores.begin(params.PodUID, "load "+params.Part)
	if err != nil {
		return err
	}
	defer release()
	pod, err := plan.Open(s.plans, params.PodUID)
	if err != nil {
		return failed(reasonStage, err)
	}
	defer pod.Close()
	read, c, err := pod.Current()
	if err != nil {
		return failed(reasonStage, err)
	}
	if read.Checkpoint != params.Checkpoint {
		return invalid("pod %s has a plan of checkpoint %s", params.PodUID, read.Checkpoint)
	}
	part, err := parts.Of(c, params.Part)
	if err != nil {
		return invalid("%w", err)
	}
	container := parts.ContainerOf(part.Name)
	memory, err := pod.Arriving(read, container)
	if err != nil || memory == nil {
		return failed(reasonStage, err)
	}
	defer memory.Close()
	if !slices.Equal(memory.Segments, params.Segments) {
		return invalid("the segments are not those with which %s was staged", part.Name)
	}
	if err := memory.Failure(); err != nil {
		return failed(reasonContent, err)
	}
	if boot, err := proc.BootID(); err != nil {
		return err
	} else if memory.Boot != boot {
		if err := memory.Reset(boot); err != nil {
			return failed(reasonStage, err)
		}
	}
	from, err := begin(true)
	if err != nil {
		return err
	}
	if err := s.loadMissing(pod, read, part, memory, from); err != nil {
		return failed(reasonStage, err)
	}
	err = pod.SealArrived(read, c, container)
	if errors.Is(err, plan.ErrChecksum) {
		// It would be found again each time.
		err = errors.Join(err, memory.Fail(err.Error()))
	}
	return failed(reasonStage, err)
}

func (s *Service) loadMissing(pod *plan.Pod, read *plan.Plan, part *parts.Part, memory *arrival.Memory, from pieceSource) error {
	pieces, err := part.Pieces()
	if err != nil {
		return err
	}
	if pieces == nil || pieces.Count() != len(memory.Segments) {
		return fmt.Errorf("the record of the memory of %s is not of this checkpoint", part.Name)
	}
	root, err := os.OpenRoot(pod.Path(read.Checkpoint))
	if err != nil {
		return err
	}
	defer root.Close()
	f := &fetcher{
		from: from, memory: memory, pieces: pieces, root: root, directory: part.Path,
		// Only while it decompresses: a client can wait long for its registry.
		turn: func() (func(), error) { return slot(s.ctx, s.stages) },
	}
	defer f.close()
	return f.fetch(memory.Next)
}

// loseRequest are the parameters of the method loseMemory.
type loseRequest struct {
	podNamed
	Message string `json:"message"`
}

// loseMemory records that the memory that is still to arrive for a pod will not come: its containers are killed.
func (s *Service) loseMemory(params loseRequest) (any, error) {
	if err := params.validate(); err != nil {
		return nil, err
	}
	if params.Message == "" {
		return nil, invalid("the message is empty")
	}
	pod, err := plan.Open(s.plans, params.PodUID)
	if errors.Is(err, plan.ErrNoPlan) {
		return struct{}{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer pod.Close()
	read, err := pod.Read()
	if errors.Is(err, plan.ErrNoPlan) {
		return struct{}{}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, container := range read.Arriving {
		memory, arrivingErr := pod.Arriving(read, container)
		if memory != nil {
			arrivingErr = memory.Fail(params.Message)
			memory.Close()
		}
		err = errors.Join(err, arrivingErr)
	}
	return struct{}{}, err
}
