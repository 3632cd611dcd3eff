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

// restores is what the service remembers of checkpoints that are staged, by pod. If it is lost, files are read again, and
// the disk space is found from the stagings.
type restores struct {
	mutex sync.Mutex
	// inFlight are the parts that are being staged.
	inFlight map[string]map[string]bool
	// seals are of files whose sha256 was compared when they were written, by path in the checkpoint's directory.
	seals map[string]map[string]plan.Sealed
	// promised is the disk space that pods still need.
	promised map[string]promise
}

// promise is the disk space that a staging still needs.
type promise struct {
	bytes int64
	// reserve is what must remain free on the disk.
	reserve int64
}

func newRestores() *restores {
	return &restores{inFlight: map[string]map[string]bool{}, seals: map[string]map[string]plan.Sealed{}, promised: map[string]promise{}}
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

// admit promises disk space to a pod, unless less than its reserve would then remain free. Free returns what the disk has
// now. Several pods that ask at the same time get no more than there is.
func (r *restores) admit(podUID string, asked promise, free func() (int64, error)) (bool, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	// After the lock: what others wrote since is no longer promised.
	left, err := free()
	if err != nil {
		return false, err
	}
	if asked.bytes > left-r.promisedExcept(podUID)-asked.reserve {
		return false, nil
	}
	r.promised[podUID] = asked
	return true, nil
}

// promisedBytes returns what all pods still need.
func (r *restores) promisedBytes() int64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.promisedExcept("")
}

// promisedExcept returns what all pods but one still need. Call it with the lock.
func (r *restores) promisedExcept(podUID string) int64 {
	sum := int64(0)
	for uid, each := range r.promised {
		if uid != podUID {
			sum += each.bytes
		}
	}
	return sum
}

// written reduces what a pod still needs.
func (r *restores) written(podUID string, bytes int64) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if left := r.promised[podUID]; left.bytes > bytes {
		r.promised[podUID] = promise{left.bytes - bytes, left.reserve}
	} else {
		delete(r.promised, podUID)
	}
}

// reserveOf returns what must remain free when a part of a pod is written.
func (r *restores) reserveOf(podUID string) int64 {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.promised[podUID].reserve
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
