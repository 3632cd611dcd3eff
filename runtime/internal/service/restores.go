package service

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/plan"
)

const (
	reasonInUse = "InUse"
	// wholePod takes the place of a part for what excludes all other requests for a pod. It is not the name of a part.
	wholePod = "*"
)

// restores is what the service remembers of checkpoints that are staged, by pod. It can be lost: then files are read
// again, and the disk is checked without them.
type restores struct {
	mutex sync.Mutex
	// inFlight are the parts that are being staged.
	inFlight map[string]map[string]bool
	// seals are of files whose sha256 was compared when they were written, by path in the checkpoint's directory.
	seals map[string]map[string]plan.Sealed
	// promised are the bytes that are still to be written.
	promised map[string]int64
}

func newRestores() *restores {
	return &restores{inFlight: map[string]map[string]bool{}, seals: map[string]map[string]plan.Sealed{}, promised: map[string]int64{}}
}

// begin excludes other requests for a part of a pod, or for all of it. It returns a function that ends this.
func (r *restores) begin(podUID, part string) (func(), error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	current := r.inFlight[podUID]
	if current[wholePod] || current[part] || part == wholePod && len(current) > 0 {
		return nil, &dump.Error{Reason: reasonInUse, Err: fmt.Errorf("another request for pod %s is in flight", podUID)}
	}
	if current == nil {
		current = map[string]bool{}
		r.inFlight[podUID] = current
	}
	current[part] = true
	return func() {
		r.mutex.Lock()
		defer r.mutex.Unlock()
		delete(current, part)
		if len(current) == 0 {
			delete(r.inFlight, podUID)
		}
	}, nil
}

func (r *restores) promise(podUID string, bytes int64) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.promised[podUID] += bytes; r.promised[podUID] <= 0 {
		delete(r.promised, podUID)
	}
}

func (r *restores) promisedBytes() int64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	sum := int64(0)
	for _, each := range r.promised {
		sum += each
	}
	return sum
}

func (r *restores) seal(podUID, path string, sealed plan.Sealed) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.seals[podUID] == nil {
		r.seals[podUID] = map[string]plan.Sealed{}
	}
	r.seals[podUID][path] = sealed
}

func (r *restores) sealsOf(podUID string) map[string]plan.Sealed {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return maps.Clone(r.seals[podUID])
}

// end discards what is remembered of a pod.
func (r *restores) end(podUID string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.seals, podUID)
	delete(r.promised, podUID)
}

// notLoading fails while memory of a pod is loaded: CRIU would dump zeros for what is missing.
func (s *Service) notLoading(podUID string) error {
	pod, err := plan.Open(s.plans, podUID)
	if errors.Is(err, plan.ErrNoPlan) {
		return nil
	}
	if err != nil {
		return err
	}
	defer pod.Close()
	loading, err := pod.Loading()
	if err == nil && loading {
		err = &dump.Error{
			Reason: dump.ReasonNotPossible, Err: errors.New("memory of the pod is still loaded from the checkpoint that it was restored from"),
			Remedy: "Request the checkpoint again some seconds after the restore.",
		}
	}
	return err
}
