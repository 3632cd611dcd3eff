package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/strictjson"
)

// stateFile is the name of the state in the directory of a pod.
const stateFile = "state.json"

// maxStateBytes is the largest state.json: 64 containers and 256 volumes with 4 KiB each.
const maxStateBytes = 2 << 20

// Decisions about a pod. It is one for all its containers: a pod of which only some were restored never existed.
const (
	// Undecided is the decision until the first container of the checkpoint is created.
	Undecided = ""
	// Restore restores each container of the checkpoint.
	Restore = "restore"
	// Fresh starts each container as if there were no checkpoint.
	Fresh = "fresh"
	// Fail fails the creation of each container of the checkpoint.
	Fail = "fail"
)

// Reasons of a decision other than Restore.
const (
	// ReasonNoPlan: no plan came within the limit.
	ReasonNoPlan = "PlanMissing"
	// ReasonInvalidPlan: the plan or a file of the checkpoint is not what it should be.
	ReasonInvalidPlan = "PlanInvalid"
	// ReasonDeadline: the plan's deadline was over.
	ReasonDeadline = "DeadlineExceeded"
	// ReasonIncompatible: the pod or the node differs from the checkpoint in what a restored process cannot change.
	ReasonIncompatible = "Incompatible"
	// ReasonFiles: files or volumes could not be restored.
	ReasonFiles = "FilesNotRestored"
	// ReasonCRIU: CRIU failed.
	ReasonCRIU = "CRIUFailed"
	// ReasonGPU: the restored processes did not get their GPUs.
	ReasonGPU = "GPUNotRestored"
	// ReasonLimit: CRIU did not end within its time, or its log became too large.
	ReasonLimit = "LimitExceeded"
	// ReasonMemory: memory that is loaded while the processes run could not be loaded.
	ReasonMemory = "MemoryLost"
	// ReasonInterrupted: the restore was interrupted twice, or by a process that left no trace.
	ReasonInterrupted = "Interrupted"
)

// State is the content of state.json: what the wrapper decided and did. The agent reports it.
type State struct {
	Version  int    `json:"version"`
	Decision string `json:"decision"`
	// Reason is one of the constants Reason*; empty for Restore.
	Reason string `json:"reason,omitempty"`
	// Message explains the reason.
	Message string `json:"message,omitempty"`
	// DecidedAt is the time of the decision.
	DecidedAt time.Time `json:"decidedAt,omitzero"`
	// Rounds counts how often all containers began to be restored again, because the restore of one was interrupted.
	Rounds int `json:"rounds,omitempty"`
	// Hostname is the host name of the new pod. CRIU replaces it by that of the checkpoint.
	Hostname string `json:"hostname,omitempty"`
	// Network is the network namespace in which connections over loopback wait until all containers are restored.
	Network string `json:"network,omitempty"`
	// Containers are the containers of the checkpoint that were created, by name.
	Containers map[string]*Container `json:"containers,omitempty"`
	// Volumes are the volumes that were restored, by name; SharedMemory for the pod's /dev/shm.
	Volumes map[string]*Volume `json:"volumes,omitempty"`
}

// SharedMemory is the key of the pod's /dev/shm among the volumes. It is not a valid name of a volume.
const SharedMemory = "/dev/shm"

// Phases of a container.
const (
	// Restoring: a restore began. If no wrapper holds the lock, it was interrupted.
	Restoring = "Restoring"
	// Restored: the process runs, or ran, from the checkpoint.
	Restored = "Restored"
	// StartedFresh: the container was created as if there were no checkpoint.
	StartedFresh = "StartedFresh"
	// Failed: the creation failed, as the plan demands or as the files could not be reset.
	Failed = "Failed"
)

// Container is what happened to one container.
type Container struct {
	// ID is the ID of the container that was created last.
	ID    string `json:"id"`
	Phase string `json:"phase"`
	// Attempts counts the restores that began since the container ran.
	Attempts int `json:"attempts"`
	// RuntimeRoot is the runtime's --root, for the removal of what an interrupted restore left.
	RuntimeRoot string `json:"runtimeRoot,omitempty"`
	// Cgroup is the directory of the container's cgroup.
	Cgroup string `json:"cgroup,omitempty"`
	// Changed says that files of the container's root file system were changed.
	Changed bool `json:"changed,omitempty"`
	// Lazy says that the processes run while their memory is loaded: package lazy has the state in WorkDirectory.
	Lazy bool `json:"lazy,omitempty"`
	// Eager is why the memory was loaded before the processes ran although the plan is lazy.
	Eager string `json:"eager,omitempty"`
	// FIFOs are FIFOs outside the root file system whose content was restored with this container: device and inode, as 43:17.
	FIFOs []string `json:"fifos,omitempty"`
	// Milliseconds is the time from the call of the wrapper to the end of the runtime's restore.
	Milliseconds int64     `json:"milliseconds,omitempty"`
	At           time.Time `json:"at,omitzero"`
}

// Volume is what happened to one volume.
type Volume struct {
	// Path is the directory of the volume on the node.
	Path string `json:"path"`
	// Complete says that all files were written.
	Complete bool `json:"complete"`
	// Backup says that the volume was not empty before, and that BackupDirectory has an archive of its content.
	Backup bool `json:"backup,omitempty"`
}

// State reads the state. A pod without one is undecided.
func (p *Pod) State() (*State, error) {
	text, err := p.readFile(stateFile, maxStateBytes)
	state := &State{Version: Version}
	if err == nil {
		err = parseState(text, state)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if state.Containers == nil {
		state.Containers = map[string]*Container{}
	}
	if state.Volumes == nil {
		state.Volumes = map[string]*Volume{}
	}
	return state, err
}

func parseState(text []byte, state *State) error {
	if err := strictjson.Decode(bytes.NewReader(text), maxStateBytes, state); err != nil {
		return fmt.Errorf("%s: %w", stateFile, err)
	}
	if state.Version != Version {
		return fmt.Errorf("%s: version is %d, this program reads version %d", stateFile, state.Version, Version)
	}
	switch state.Decision {
	case Undecided, Restore, Fresh, Fail:
	default:
		return fmt.Errorf("%s: decision %.80q is not known", stateFile, state.Decision)
	}
	for name, each := range state.Containers {
		if !checkpoint.IsName(name) || each == nil {
			return fmt.Errorf("%s: container %.80q is invalid", stateFile, name)
		}
	}
	for name, each := range state.Volumes {
		if name != SharedMemory && !checkpoint.IsName(name) || each == nil || !filepath.IsAbs(each.Path) {
			return fmt.Errorf("%s: volume %.80q is invalid", stateFile, name)
		}
	}
	return nil
}

// Save writes the state. Call it with the lock.
func (p *Pod) Save(state *State) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return writeFile(p.root, stateFile, text)
}

// Decline records the decision about a pod without a plan, Fresh or Fail, so that a plan that comes later is not used by
// only some of its containers: its directory exists then, and the rename of the plan fails. It returns ErrPlanExists if a
// plan or a decision came first.
func Decline(base, uid, decision, reason, message string, now time.Time) error {
	if !checkpoint.IsUID(uid) {
		return fmt.Errorf("the pod's UID %.80q is invalid", uid)
	}
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	parent, err := openBase(base)
	if err != nil {
		return err
	}
	defer parent.Close()
	// A state without its directory's final name is never seen: the same rename as for a plan.
	temporary := fmt.Sprintf(".declined-%s-%d", uid, os.Getpid())
	if err := parent.Mkdir(temporary, 0o700); err != nil {
		return err
	}
	defer parent.RemoveAll(temporary)
	inside, err := parent.OpenRoot(temporary)
	if err != nil {
		return err
	}
	defer inside.Close()
	state := State{Version: Version, Decision: decision, Reason: reason, Message: message, DecidedAt: now}
	if err := (&Pod{root: inside}).Save(&state); err != nil {
		return err
	}
	err = parent.Rename(temporary, uid)
	if err != nil && exists(parent, uid) {
		return ErrPlanExists
	}
	return err
}

// ErrPlanExists is returned by Decline if the pod has a directory already.
var ErrPlanExists = errors.New("the pod has a plan or a decision already")

func exists(root *os.Root, name string) bool {
	_, err := root.Lstat(name)
	return err == nil
}
