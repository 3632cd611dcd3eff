package dump

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/guard"
	"cedana.ai/cdk/runtime/internal/pod"
	"cedana.ai/cdk/runtime/internal/probe"
	"golang.org/x/sys/unix"
)

// Result is a checkpoint that was taken.
type Result struct {
	Checkpoint *checkpoint.Checkpoint `json:"checkpoint"`
	// Directory is the directory of the checkpoint.
	Directory string  `json:"directory"`
	Timings   Timings `json:"timings"`
}

// job is one checkpoint in flight.
type job struct {
	node       *Node
	request    Request
	pod        *pod.Pod
	containers []pod.Container
	// uppers are the upper directories of the containers, in their order.
	uppers       []string
	volumes      []string
	podDirectory string
	shm          string
	pre          preDumped
	gpu          gpuUse
	// work is the directory until the checkpoint is complete, and root the same directory.
	work    string
	root    *os.Root
	timings Timings
	// deadline is the time at which the containers must be thawed.
	deadline time.Time
}

// WorkPrefix is the beginning of the names of directories of incomplete checkpoints.
const WorkPrefix = ".incomplete-"

// Take takes a checkpoint. When it returns, no container is frozen, whether or not it returns an error. The error is an
// *Error. The request must be normalized. A directory of the same UID must not exist.
func Take(ctx context.Context, node *Node, request Request) (*Result, error) {
	j := &job{node: node, request: request, work: filepath.Join(node.Checkpoints, WorkPrefix+request.UID)}
	if err := j.prepare(); err != nil {
		return nil, err
	}
	defer func() {
		j.root.Close()
		// After a success it was renamed.
		_ = os.RemoveAll(j.work)
	}()
	c, err := j.capture(ctx)
	if err != nil {
		return nil, err
	}
	return &Result{c, filepath.Join(node.Checkpoints, request.UID), j.timings}, nil
}

// prepare does all that can be done before the freeze.
func (j *job) prepare() error {
	found, err := pod.Find(j.node.Paths, j.request.PodUID)
	if err != nil {
		return &Error{Reason: ReasonNotFound, Err: err}
	}
	j.pod = found
	names := []string{}
	for _, each := range j.request.Containers {
		names = append(names, each.Name)
	}
	if j.containers, err = found.Choose(names); err != nil {
		return &Error{Reason: ReasonNotFound, Err: err}
	}
	for _, each := range j.containers {
		if err := j.check(each); err != nil {
			return err
		}
	}
	if problems := probe.Check(j.containers, j.request.TCP); len(problems) > 0 {
		first := problems[0]
		return &Error{Reason: ReasonNotPossible, Container: first.Container, Remedy: first.Remedy, Err: errors.New(first.Message)}
	}
	if err := j.findGPU(); err != nil {
		return err
	}
	j.podDirectory, j.volumes = found.Volumes(j.containers)
	j.shm = found.SharedMemory(j.containers)
	if err := j.checkSpace(); err != nil {
		return err
	}
	return j.makeDirectories()
}

func (j *job) check(container pod.Container) error {
	refuse := func(err error) error {
		return &Error{Reason: ReasonNotPossible, Container: container.Name, Err: err}
	}
	freezing, err := container.Cgroup.Freezing()
	if err != nil {
		return refuse(err)
	}
	if freezing {
		return refuse(errors.New("the container is paused"))
	}
	upper, err := container.UpperDirectory()
	if err != nil {
		return refuse(err)
	}
	j.uppers = append(j.uppers, upper)
	if !checkpoint.IsName(container.Name) {
		return refuse(errors.New("its name is invalid"))
	}
	return nil
}

func (j *job) makeDirectories() error {
	fail := func(err error) error { return &Error{Reason: ReasonFailed, Err: err} }
	if err := os.RemoveAll(j.work); err != nil {
		return fail(err)
	}
	if err := os.Mkdir(j.work, 0o700); err != nil {
		return fail(err)
	}
	root, err := os.OpenRoot(j.work)
	if err != nil {
		return fail(err)
	}
	j.root = root
	directories := []string{filepath.Join(filepath.Dir(configFile), criu.Plugins), checkpoint.Volumes}
	for _, each := range j.containers {
		directories = append(directories, filepath.Join(checkpoint.Containers, each.Name, checkpoint.Images), filepath.Join("work", each.Name))
	}
	for _, each := range directories {
		err = errors.Join(err, root.MkdirAll(each, 0o700))
	}
	if err == nil {
		err = root.WriteFile(configFile, []byte(criuConfig(j.request.TCP)), 0o600)
	}
	if err != nil {
		root.Close()
		return fail(errors.Join(err, os.RemoveAll(j.work)))
	}
	return nil
}

// capture dumps memory while the pod runs if that pays, freezes, dumps, packs, thaws, and completes the directory.
func (j *job) capture(ctx context.Context) (*checkpoint.Checkpoint, error) {
	limit := time.Duration(j.request.FreezeMilliseconds) * time.Millisecond
	cgroups := []freezer.Cgroup{}
	for _, each := range j.containers {
		cgroups = append(cgroups, each.Cgroup)
	}
	metadata, err := j.metadata(ctx)
	if err != nil {
		return nil, &Error{Reason: ReasonFailed, Err: err}
	}
	begun := time.Now()
	if err := j.preDump(ctx, cgroups); err != nil {
		return nil, err
	}
	j.timings.PreDump = time.Since(begun).Nanoseconds()
	metadata.PreDump = &j.pre.PreDump
	entry, err := guard.NewEntry(j.request.UID, j.work, cgroups)
	if err != nil {
		return nil, &Error{Reason: ReasonFailed, Err: err}
	}
	entry.GPU = j.gpu.processes
	watch, err := guard.Begin(j.node.Journal, entry, limit+thawAllowance, j.node.Watchdog[0], j.node.Watchdog[1:]...)
	if err != nil {
		return nil, &Error{Reason: ReasonFailed, Err: err}
	}
	service := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(limit, func() { cancel(j.deadlineError()) })
	defer timer.Stop()
	go func() {
		select {
		case <-watch.Died():
			cancel(&Error{Reason: ReasonInterrupted, Err: errors.New("the watchdog ended")})
		case <-ctx.Done():
		}
	}()

	begin := time.Now()
	j.deadline = begin.Add(limit)
	if err = j.takeOffGPUs(ctx); err == nil {
		err = j.freezeAndSave(ctx, cgroups, &watch.Entry)
	}
	// stopping is true once processes may have ended: the checkpoint is then the only copy of their state.
	stopping := false
	if err == nil && j.request.Stop {
		// The processes end for good: everything must be on disk before.
		metadata.FrozenNanoseconds = time.Since(begin).Nanoseconds() + j.pre.FrozenNanoseconds
		if err = j.complete(metadata); err == nil {
			err = j.standStill(watch, cgroups)
		}
		if err == nil {
			stopping = true
			err = kill(cgroups)
		}
	}
	if err != nil {
		err = reasonOf(ctx, err)
	}
	// From here on the end of the watchdog is expected.
	cancel(nil)
	thawError := j.thaw(ctx, watch, err == nil, stopping)
	frozen := time.Since(begin)
	timer.Stop()
	endError := watch.End()
	switch {
	case err != nil:
	case stopping:
		// A pending SIGKILL ends a process that could not be thawed before it runs again.
	case thawError != nil:
		err = &Error{Reason: ReasonFreeze, Err: fmt.Errorf("cannot thaw, or give GPUs back: %w", thawError)}
	case endError != nil:
		err = &Error{Reason: ReasonInterrupted, Err: endError}
	default:
		metadata.FrozenNanoseconds = frozen.Nanoseconds() + j.pre.FrozenNanoseconds
		j.freeSuperseded(service)
		if completeError := j.complete(metadata); completeError != nil {
			err = &Error{Reason: ReasonFailed, Err: completeError}
		}
	}
	if err != nil {
		if !stopping {
			// Take deletes it. Half deleted it must not have the name of a checkpoint.
			_ = os.Rename(filepath.Join(j.node.Checkpoints, j.request.UID), j.work)
		}
		return nil, err
	}
	return metadata, nil
}

func (j *job) deadlineError() *Error {
	return &Error{Reason: ReasonDeadline, Err: fmt.Errorf("the containers were frozen for %v", time.Duration(j.request.FreezeMilliseconds)*time.Millisecond)}
}

// standStill returns an error if containers ran since the dump, which can take long to write: processes that ran on must not be
// ended. After a success the watchdog lets them stand still until they are killed.
func (j *job) standStill(watch *guard.Guard, cgroups []freezer.Cgroup) error {
	if err := watch.Extend(thawAllowance); err != nil {
		return &Error{Reason: ReasonInterrupted, Err: err}
	}
	return j.checkFrozen(cgroups)
}

// checkFrozen returns an error if a container is not frozen any more. CRIU that was killed, or a user's `ctr tasks resume`, thaws
// one: the moment is lost.
func (j *job) checkFrozen(cgroups []freezer.Cgroup) error {
	for i, each := range cgroups {
		if frozen, err := each.Frozen(); err != nil || !frozen {
			return &Error{Reason: ReasonInterrupted, Container: j.containers[i].Name, Err: errors.Join(errors.New("was thawed during the dump"), err)}
		}
	}
	return nil
}

// thaw thaws the containers and gives their processes the GPUs back, unless they were killed. Only after a success it is sure
// that no process of CRIU exists, which must end before.
func (j *job) thaw(ctx context.Context, watch *guard.Guard, success, killed bool) error {
	begin := time.Now()
	defer func() { j.timings.Thaw = time.Since(begin).Nanoseconds() }()
	if !success || thawOnce(ctx, watch.Entry.Cgroups) != nil {
		if err := guard.Thaw(context.WithoutCancel(ctx), &watch.Entry); err != nil {
			return err
		}
	}
	if killed {
		return nil
	}
	return watch.ReturnGPUs(ctx)
}

// reasonOf prefers the cause that ended the context: what failed then is its consequence.
func reasonOf(ctx context.Context, err error) error {
	var failure *Error
	if cause := context.Cause(ctx); cause != nil && errors.As(cause, &failure) {
		return failure
	}
	if errors.As(err, &failure) {
		return failure
	}
	return &Error{Reason: ReasonInterrupted, Err: err}
}

// workers is how many dumps and archives are written at a time.
func workers() int { return max(2, runtime.NumCPU()) }

// checkSpace rejects a checkpoint that does not fit on the disk, or into the limit. The size of packed files is not known
// before.
func (j *job) checkSpace() error {
	var least, most int64
	for _, each := range j.containers {
		low, high := each.MemoryBytes()
		least, most = least+low, most+high
	}
	if limit := j.request.MaxBytes; limit > 0 && least > limit {
		return &Error{Reason: ReasonQuota, Err: fmt.Errorf("the processes have %d bytes of memory, more than the limit of %d", least, limit)}
	}
	free, err := freeBytes(j.node.Checkpoints)
	if err != nil {
		return &Error{Reason: ReasonFailed, Err: err}
	}
	if free < most+j.request.ReserveBytes {
		return &Error{Reason: ReasonNoSpace, Err: fmt.Errorf(
			"the disk has %d bytes free; the processes have %d bytes of memory, and %d must remain", free, most, j.request.ReserveBytes)}
	}
	return nil
}

func freeBytes(directory string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(directory, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// metadata returns what is known before the freeze.
func (j *job) metadata(ctx context.Context) (*checkpoint.Checkpoint, error) {
	node, err := nodeOf(ctx, j.node)
	if err != nil {
		return nil, err
	}
	if len(j.containers) > 0 {
		node.Cgroup = j.containers[0].Cgroup.Version
	}
	addresses, err := j.pod.Addresses()
	if err != nil {
		return nil, err
	}
	c := &checkpoint.Checkpoint{
		Version: checkpoint.Version, UID: j.request.UID, Node: *node, TCP: j.request.TCP, PodIPs: addresses,
		Pod:      checkpoint.Pod{UID: j.pod.UID, Namespace: j.pod.Namespace, Name: j.pod.Name},
		Hostname: j.pod.Hostname, CreatedAt: time.Now().UTC().Truncate(time.Second), Volumes: []checkpoint.Volume{},
	}
	for _, each := range j.containers {
		index := slices.IndexFunc(j.request.Containers, func(r ContainerRequest) bool { return r.Name == each.Name })
		image := ""
		if index >= 0 {
			image = j.request.Containers[index].Image
		}
		c.Containers = append(c.Containers, checkpoint.Container{
			Name: each.Name, ID: each.ID, Image: image, Security: checkpoint.SecurityOf(each.Spec), Terminal: each.Spec.Process.Terminal,
			Mounts: checkpoint.MountsOf(each.Spec, j.podDirectory, j.volumes), GPU: j.gpu.of(each.Name),
		})
	}
	return c, nil
}

// limits returns those of a run of CRIU that begins now: it may end by itself until the deadline.
func (j *job) limits() criu.Limits {
	return criu.Limits{Time: time.Until(j.deadline), LogBytes: logBytes}
}
