// Package restore creates a container from a checkpoint in place of `runc create`: it waits for the plan of the pod,
// compares checkpoint, pod and node, restores files and volumes, and runs `runc restore`. If any of it is not possible, it
// removes all traces, so that the container can start fresh in the same call.
package restore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/files"
	"cedana.ai/cdk/runtime/internal/lazy"
	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const (
	// waitLimit is how long the creation of a container waits for the plan of its pod.
	waitLimit  = 60 * time.Second
	waitPeriod = 20 * time.Millisecond
	// maxAttempts is how often a restore that was interrupted is begun.
	maxAttempts = 2
)

// Request is the creation of one container whose pod asks for a restore.
type Request struct {
	Call   oci.Call
	Config []byte
	Pod    oci.Pod
	// Runtime is the path of the real OCI runtime.
	Runtime string
	// Plans is the directory with the plans of all pods.
	Plans string
	// Marks is the wrapper's directory with a file for each restored container.
	Marks string
	// Service is the socket of the host service.
	Service string
	// Begin is the time of the call.
	Begin time.Time
}

// Outcome is what Run did.
type Outcome int

const (
	// Fresh: the real runtime must create the container. Nothing of a restore is left.
	Fresh Outcome = iota
	// Restored: the process runs.
	Restored
	// Failed: the creation of the container must fail.
	Failed
)

// run is the restore of one container.
type run struct {
	Request
	pod        *plan.Pod
	plan       *plan.Plan
	state      *plan.State
	checkpoint *checkpoint.Checkpoint
	container  *checkpoint.Container
	spec       *specs.Spec
	cgroup     string
	overlay    *overlay
	// memory is the server of memory that is loaded while the processes run.
	memory *lazy.Server
	// edited says that config.json of the bundle has the runtime's edits.
	edited bool
}

// Run restores a container, or prepares its fresh start. It returns an error only with the outcome Failed.
func Run(request Request) (Outcome, error) {
	pod, err := wait(request)
	if errors.Is(err, errNotPart) {
		return Fresh, nil
	}
	if err != nil {
		return request.unknown(err)
	}
	defer pod.Close()
	// A container that read zeros can end, and be created again, before the host service looks.
	if err := CheckMemory(pod); err != nil {
		return request.unknown(err)
	}
	if err := pod.Lock(); err != nil {
		return request.unknown(err)
	}
	r := &run{Request: request, pod: pod}
	if r.state, err = pod.State(); err != nil {
		return request.unknown(err)
	}
	becomeSubreaper(true)
	defer becomeSubreaper(false)
	outcome, err := r.decide()
	if outcome != Restored {
		if resetError := r.resetConfig(); resetError != nil {
			return Failed, errors.Join(err, resetError)
		}
	}
	return outcome, err
}

// unknown returns the outcome for a pod without a decision that can be read.
func (r *Request) unknown(err error) (Outcome, error) {
	if r.Pod.Stop {
		return Failed, fmt.Errorf("%w; the pod is not started, because of its annotation %s: %s", err, oci.FallbackAnnotation, oci.FallbackStop)
	}
	return Fresh, nil
}

// errNotPart is returned for a container that is not part of the checkpoint, as an init container: it needs no plan.
var errNotPart = errors.New("the container is not part of the checkpoint")

// wait waits until the pod has a plan or a decision. If none comes in time, it decides that the pod starts fresh. With Stop
// it decides nothing: the kubelet creates the container again, and a plan that comes until then counts.
//
// A container that the staged metadata does not name waits for no other part, so that init containers run while memory is
// fetched. With Stop it waits: no container of such a pod is created before the plan is complete.
func wait(request Request) (*plan.Pod, error) {
	part := request.Pod.Stop
	for {
		pod, err := plan.Open(request.Plans, request.Pod.UID)
		if !errors.Is(err, plan.ErrNoPlan) {
			return pod, err
		}
		if !part {
			// Metadata that cannot be read is not complete yet, or is rejected.
			if staged, err := plan.Staged(request.Plans, request.Pod.UID); err == nil {
				if part = partOf(staged, request.Pod.Container) >= 0; !part {
					return nil, errNotPart
				}
			}
		}
		if time.Since(request.Begin) > waitLimit {
			message := fmt.Sprintf("no plan came within %s", waitLimit)
			if request.Pod.Stop {
				return nil, fmt.Errorf("%s: %s", plan.ReasonNoPlan, message)
			}
			err = plan.Decline(request.Plans, request.Pod.UID, plan.Fresh, plan.ReasonNoPlan, message, time.Now().UTC())
			if !errors.Is(err, plan.ErrPlanExists) {
				return nil, errors.Join(errors.New("no plan"), err)
			}
			continue
		}
		time.Sleep(waitPeriod)
	}
}

// partOf returns the index of a container in a checkpoint; -1 if it is not part of it.
func partOf(c *checkpoint.Checkpoint, container string) int {
	return slices.IndexFunc(c.Containers, func(each checkpoint.Container) bool { return each.Name == container })
}

// decide acts on the state of the pod and of this container.
func (r *run) decide() (Outcome, error) {
	if r.state.Decision == plan.Fresh {
		if len(r.state.Containers) == 0 {
			// No container of the pod was created by this decision.
			if outcome, err := r.unknown(fmt.Errorf("%s: %s", r.state.Reason, r.state.Message)); outcome == Failed {
				return outcome, err
			}
		}
		return r.fresh()
	}
	if r.state.Decision == plan.Fail {
		return Failed, fmt.Errorf("%s: %s", r.state.Reason, r.state.Message)
	}
	var err error
	if r.plan, err = r.pod.Read(); err != nil {
		return r.giveUp(plan.ReasonInvalidPlan, err)
	}
	if r.checkpoint, err = r.pod.Verify(r.plan); err != nil {
		return r.giveUp(plan.ReasonInvalidPlan, err)
	}
	at := partOf(r.checkpoint, r.Pod.Container)
	if at < 0 {
		// An init container, or one that was not part of the checkpoint.
		return Fresh, nil
	}
	r.container = &r.checkpoint.Containers[at]
	if r.spec, err = oci.ParseConfig(r.Config); err != nil {
		return r.giveUp(plan.ReasonIncompatible, err)
	}
	if r.cgroup, err = oci.CgroupDirectory(cgroupMount, r.spec.Linux.CgroupsPath, r.Call.SystemdCgroup); err != nil {
		return r.giveUp(plan.ReasonIncompatible, err)
	}
	if known := r.state.Containers[r.Pod.Container]; known != nil {
		switch cause := r.interruption(known); {
		case cause != "":
			if err := r.beginAgain(known, cause); err != nil {
				return r.giveUp(plan.ReasonInterrupted, err)
			}
		case known.Phase == plan.Restored && r.restartsAlone():
			r.restoreVolumesAgain()
			known.Attempts = 0
		default:
			return r.fresh()
		}
	}
	if err := r.editConfig(); err != nil {
		return r.giveUp(plan.ReasonIncompatible, err)
	}
	if err := r.compare(); err != nil {
		return r.giveUp(plan.ReasonIncompatible, err)
	}
	if r.state.Decision == plan.Undecided {
		if time.Now().After(r.plan.Deadline) {
			return r.giveUp(plan.ReasonDeadline, fmt.Errorf("the deadline %s is over", r.plan.Deadline.Format(time.RFC3339)))
		}
		r.state.Decision, r.state.DecidedAt = plan.Restore, time.Now().UTC()
	}
	if reason, err := r.restore(); err != nil {
		return r.giveUp(reason, err)
	}
	return Restored, nil
}

// missing returns a container of the checkpoint that was not restored and started yet; empty if all were.
func (r *run) missing() string {
	for _, each := range r.checkpoint.Containers {
		known := r.state.Containers[each.Name]
		if known == nil || known.Phase == plan.Restoring || known.Phase == plan.Restored && r.unstarted(each.Name) {
			return each.Name
		}
	}
	return ""
}

// unstartedFile exists in the work directory of a container from its restore until the runtime is asked to start it.
const unstartedFile = "unstarted"

// Unstarted returns the path of the file that must be removed when a restored container is started. A container that is
// created again while it exists ended before: the restore was interrupted.
func Unstarted(plans string, pod oci.Pod) string {
	return filepath.Join(plans, pod.UID, plan.WorkDirectory, pod.Container, unstartedFile)
}

// unstarted says if a container was restored and not started.
func (r *run) unstarted(container string) bool {
	pod := r.Pod
	pod.Container = container
	_, err := os.Lstat(Unstarted(r.Plans, pod))
	return err == nil
}

// compare checks that this node and this container can have what the checkpoint has.
func (r *run) compare() error {
	node, err := ThisNode()
	if err != nil {
		return err
	}
	if err := compareNode(r.checkpoint.Node, node); err != nil {
		return err
	}
	if err := compareContainer(r.container, r.spec); err != nil {
		return err
	}
	if err := compareGPU(r.container.GPU, func() cuda.Driver { return cuda.ReadDriver("/") }, cuda.Find, r.spec); err != nil {
		return err
	}
	return r.compareCredentials()
}

// fresh records that this container of the checkpoint starts fresh.
func (r *run) fresh() (Outcome, error) {
	if r.checkpoint == nil || r.container != nil {
		if known := r.state.Containers[r.Pod.Container]; known == nil || known.ID != r.Call.ID {
			r.record(plan.StartedFresh)
			_ = r.pod.Save(r.state)
		}
	}
	return Fresh, nil
}

// record sets the phase of this container and returns its entry.
func (r *run) record(phase string) *plan.Container {
	entry := r.state.Containers[r.Pod.Container]
	if entry == nil {
		entry = &plan.Container{}
		r.state.Containers[r.Pod.Container] = entry
	}
	entry.ID, entry.Phase, entry.RuntimeRoot, entry.Cgroup, entry.At = r.Call.ID, phase, r.Call.Root, r.cgroup, time.Now().UTC()
	return entry
}

// restore restores files, volumes and the process. It returns the reason with an error.
func (r *run) restore() (string, error) {
	uts, _ := oci.Namespace(r.spec, specs.UTSNamespace)
	if r.state.Hostname == "" && uts != "" {
		name, err := hostname(uts)
		if err != nil {
			return plan.ReasonFiles, err
		}
		r.state.Hostname = name
	}
	entry := r.record(plan.Restoring)
	entry.Attempts++
	entry.Changed, entry.Lazy, entry.Milliseconds, entry.FIFOs = false, false, 0, nil
	if err := r.pod.Save(r.state); err != nil {
		return plan.ReasonFiles, err
	}
	if err := r.restoreVolumes(); err != nil {
		return plan.ReasonFiles, err
	}
	if err := r.restoreRoot(entry); err != nil {
		return plan.ReasonFiles, err
	}
	if err := r.lockNetwork(); err != nil {
		return plan.ReasonIncompatible, err
	}
	if err := r.restoreProcess(entry); err != nil {
		if errors.Is(err, criu.ErrTimeLimit) || errors.Is(err, criu.ErrLogLimit) {
			return plan.ReasonLimit, err
		}
		if errors.Is(err, errMemory) {
			return plan.ReasonMemory, err
		}
		return plan.ReasonCRIU, err
	}
	if err := r.returnGPUs(); err != nil {
		return plan.ReasonGPU, err
	}
	setOOMScore(r.cgroup, r.spec.Process.OOMScoreAdj)
	if uts != "" && r.state.Hostname != "" {
		if err := setHostname(uts, r.state.Hostname); err != nil {
			return plan.ReasonFiles, err
		}
	}
	if err := r.unlockNetwork(); err != nil {
		return plan.ReasonIncompatible, err
	}
	entry.Phase, entry.Milliseconds = plan.Restored, time.Since(r.Begin).Milliseconds()
	if err := r.pod.Save(r.state); err != nil {
		return plan.ReasonFiles, err
	}
	return "", nil
}

// restoreRoot writes the changes of the root file system.
func (r *run) restoreRoot(entry *plan.Container) error {
	point := oci.RootFS(r.Call.Bundle, r.spec)
	var err error
	if r.overlay, err = findOverlay(point); err != nil && !errors.Is(err, errNotOverlay) {
		return err
	}
	if !slices.ContainsFunc(r.container.Files, func(each checkpoint.FileEntry) bool { return each.Path == checkpoint.RootFS }) {
		return nil
	}
	entry.Changed = true
	if err := r.pod.Save(r.state); err != nil {
		return err
	}
	devices := slices.Contains(r.container.Security.Capabilities.Bounding, "CAP_MKNOD")
	archive := r.pod.Path(r.plan.Checkpoint, checkpoint.Containers, r.container.Name, checkpoint.RootFS)
	return unpack(archive, point, files.UnpackOptions{Overlay: true, Devices: devices})
}

// restoreVolumesAgain makes the volumes of this container be written again.
func (r *run) restoreVolumesAgain() {
	if paths, err := r.volumes(); err == nil {
		for name := range paths {
			if known := r.state.Volumes[name]; known != nil {
				known.Complete = false
			}
		}
	}
}

// lockNetwork keeps connections between the containers of the pod until all of them are restored.
func (r *run) lockNetwork() error {
	if !r.locksNetwork() {
		return nil
	}
	for _, each := range r.state.Containers {
		if each.Phase == plan.Restored {
			return nil
		}
	}
	r.state.Network = r.network()
	if err := r.pod.Save(r.state); err != nil {
		return err
	}
	return lockLoopback(r.network(), time.Now())
}

// unlockNetwork ends the lock after the last container.
func (r *run) unlockNetwork() error {
	if !r.locksNetwork() {
		return nil
	}
	for _, each := range r.checkpoint.Containers {
		if known := r.state.Containers[each.Name]; each.Name != r.container.Name && (known == nil || known.Phase != plan.Restored) {
			return nil
		}
	}
	r.state.Network = ""
	return unlockLoopback(r.network())
}

func (r *run) locksNetwork() bool {
	return r.checkpoint.TCP == checkpoint.TCPLoopback && len(r.checkpoint.Containers) > 1 && r.network() != ""
}

func (r *run) network() string {
	path, _ := oci.Namespace(r.spec, specs.NetworkNamespace)
	return path
}
