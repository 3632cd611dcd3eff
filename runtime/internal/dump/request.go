// Package dump takes a checkpoint of the containers of a pod at one moment.
//
// It freezes each container, lets CRIU dump each one through the OCI runtime, packs their files while they are frozen,
// and thaws them. CRIU leaves a container frozen that it found frozen, so no container runs before all are captured.
package dump

import (
	"errors"
	"fmt"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/guard"
	"cedana.ai/cdk/runtime/internal/pod"
)

// Request describes the checkpoint to take.
type Request struct {
	// UID is the UID of the Checkpoint object.
	UID    string `json:"uid"`
	PodUID string `json:"podUID"`
	// Containers are the containers to checkpoint; none means all of the pod that run.
	Containers []ContainerRequest `json:"containers"`
	// TCP is what happens to established connections. The default is close.
	TCP checkpoint.TCP `json:"tcp"`
	// PreDump says whether memory is dumped before the freeze. The default is auto.
	PreDump PreDumpMode `json:"preDump"`
	// Stop ends the containers' processes once the checkpoint is on disk, without letting them run on.
	Stop bool `json:"stop"`
	// FreezeMilliseconds is how long the containers may be frozen, and how long a pre-dump may take. The default is 60 s.
	FreezeMilliseconds int64 `json:"freezeMilliseconds"`
	// MaxBytes limits the memory of all processes, before the freeze, and the packed files of each directory; the default
	// is no limit.
	MaxBytes int64 `json:"maxBytes"`
	// ReserveBytes is the free space that must remain on the disk; the default is 64 MiB.
	ReserveBytes int64 `json:"reserveBytes"`
}

// ContainerRequest is a container to checkpoint.
type ContainerRequest struct {
	Name string `json:"name"`
	// Image is the digest of the container's image, as sha256:HEX: the container runtime's files do not have it.
	Image string `json:"image"`
}

const (
	// defaultFreeze is three times what 16 GB took at the slowest rate that was measured, 0.8 GB/s.
	defaultFreeze = time.Minute
	maxFreeze     = time.Hour
	// defaultReserve keeps the disk from becoming full; an agent sends its own setting.
	defaultReserve = 64 << 20
	// thawAllowance is how long the service may take to thaw before the watchdog does.
	thawAllowance = 3 * time.Second
)

// Normalize sets defaults and checks all fields.
func (r *Request) Normalize() error {
	if r.TCP == "" {
		r.TCP = checkpoint.TCPClose
	}
	if r.PreDump == "" {
		r.PreDump = PreDumpAuto
	}
	if r.FreezeMilliseconds == 0 {
		r.FreezeMilliseconds = defaultFreeze.Milliseconds()
	}
	if r.ReserveBytes == 0 {
		r.ReserveBytes = defaultReserve
	}
	seen := map[string]bool{}
	for _, each := range r.Containers {
		if !checkpoint.IsName(each.Name) || seen[each.Name] {
			return fmt.Errorf("container %.80q is invalid or named twice", each.Name)
		}
		seen[each.Name] = true
	}
	switch {
	case !checkpoint.IsUID(r.UID):
		return fmt.Errorf("uid %.80q is invalid", r.UID)
	case !checkpoint.IsUID(r.PodUID):
		return fmt.Errorf("podUID %.80q is invalid", r.PodUID)
	case r.TCP != checkpoint.TCPClose && r.TCP != checkpoint.TCPLoopback && r.TCP != checkpoint.TCPRefuse:
		return fmt.Errorf("tcp %.80q is not close, loopback or refuse", r.TCP)
	case r.PreDump != PreDumpAuto && r.PreDump != PreDumpOff:
		return fmt.Errorf("preDump %.80q is not auto or off", r.PreDump)
	case r.FreezeMilliseconds < 0 || r.FreezeMilliseconds > maxFreeze.Milliseconds():
		return fmt.Errorf("freezeMilliseconds is not between 0 and %d", maxFreeze.Milliseconds())
	case r.MaxBytes < 0 || r.ReserveBytes < 0:
		return errors.New("maxBytes or reserveBytes is negative")
	}
	return nil
}

// Timings are the steps of a checkpoint in nanoseconds. Those of dump and pack overlap.
type Timings struct {
	// PreDump is the time before the freeze in which memory was dumped while the pod ran.
	PreDump int64 `json:"preDump"`
	// GPU is the time in which processes were taken off their GPUs.
	GPU int64 `json:"gpu"`
	// Freeze is from the first request of a freeze until all containers are frozen.
	Freeze int64 `json:"freeze"`
	// Dump is the time in which CRIU ran.
	Dump int64 `json:"dump"`
	// Pack is the time in which files were packed.
	Pack int64 `json:"pack"`
	// Thaw is the time that the thaw took, and until processes had their GPUs back.
	Thaw int64 `json:"thaw"`
	// Checksum is the time after the thaw in which files were read for their checksums.
	Checksum int64 `json:"checksum"`
}

// Error is a failed checkpoint.
type Error struct {
	// Reason is in the form of a condition's reason.
	Reason string
	// Container is the name of the container that failed; empty if the failure is not of one.
	Container string
	// Remedy says what the user can do; empty if nothing is known.
	Remedy string
	Err    error
}

func (e *Error) Error() string {
	if e.Container != "" {
		return "container " + e.Container + ": " + e.Err.Error()
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Reasons of an Error.
const (
	ReasonInvalid     = "InvalidRequest"
	ReasonNotFound    = "ContainerNotFound"
	ReasonNotPossible = "CheckpointNotPossible"
	ReasonNoSpace     = "InsufficientSpace"
	ReasonQuota       = "QuotaExceeded"
	ReasonFreeze      = "FreezeFailed"
	ReasonDump        = "DumpFailed"
	ReasonPack        = "PackFailed"
	ReasonDeadline    = "FreezeDeadlineExceeded"
	ReasonInterrupted = "Interrupted"
	ReasonFailed      = "CheckpointFailed"
)

// Node has the programs and directories that a dump uses.
type Node struct {
	Paths pod.Paths
	// Runtime and CRIU are absolute paths of programs.
	Runtime string
	CRIU    string
	// Checkpoints is the directory that gets a directory for each checkpoint.
	Checkpoints string
	Journal     guard.Journal
	// Watchdog is the command of a watchdog: program and arguments.
	Watchdog []string
}
