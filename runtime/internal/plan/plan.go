// Package plan reads and writes what the agent prepares for the restore of one pod, and records how it went:
//
//	/var/lib/cedana-cdk/restore/POD_UID/     of root, 0700; it appears in one rename
//	    plan.json                            what to do
//	    NAME/                                the checkpoint, named by plan.json
//	    state.json, lock                     what the wrapper did
//	    work/CONTAINER/                      logs of CRIU
//
// Only this directory decides. Nothing that a pod, an image or an environment variable says is used.
package plan

import (
	"fmt"
	"io"
	"slices"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/strictjson"
)

// Version is the version of plan.json and state.json that this module writes and reads.
const Version = 1

// Directory holds the directories of all pods that are restored.
const Directory = "/var/lib/cedana-cdk/restore"

// File is the name of the plan in the directory of a pod.
const File = "plan.json"

// Policies for a restore that is not possible.
const (
	// FallbackFresh starts the pod's containers as if there were no checkpoint.
	FallbackFresh = "fresh"
	// FallbackFail fails the creation of the pod's containers.
	FallbackFail = "fail"
)

// Policies for a restored container that ends and is created again in the same pod.
const (
	// RestartFresh starts it as if there were no checkpoint.
	RestartFresh = "fresh"
	// RestartAgain restores it again, if no other container of the checkpoint shares its volumes.
	RestartAgain = "again"
)

const (
	// maxBytes is the largest plan.json: 16384 files of a checkpoint with 200 bytes each, and the rest.
	maxBytes = 4 << 20
	// DefaultRestoreSeconds is the default limit of one run of CRIU. CRIU 4.2.1 was seen to loop without an end.
	DefaultRestoreSeconds = 60
	// MaxRestoreSeconds keeps the creation of a container below the kubelet's runtimeRequestTimeout of 120 s, with the
	// wait for the plan.
	MaxRestoreSeconds = 90
	// DefaultMemorySeconds is the default limit of the time in which memory is loaded. The slowest disk seen, 0.14 GB/s, reads
	// 250 GB in it.
	DefaultMemorySeconds = 1800
	// MaxMemorySeconds is a day.
	MaxMemorySeconds = 86400
	// DefaultLogBytes is the default limit of CRIU's log. A restore of 100 processes writes about 1 MiB; the endless loop
	// wrote 9 MB a second.
	DefaultLogBytes = 16 << 20
)

// Plan is the content of plan.json.
type Plan struct {
	Version int `json:"version"`
	// PodUID repeats the name of the directory.
	PodUID string `json:"podUID"`
	// Checkpoint is the name of the checkpoint's directory.
	Checkpoint string `json:"checkpoint"`
	// Metadata identifies the checkpoint's checkpoint.json, which names all its other files.
	Metadata Metadata `json:"metadata"`
	// Deadline is the time after which no restore of the pod begins.
	Deadline time.Time `json:"deadline"`
	// Fallback is FallbackFresh or FallbackFail.
	Fallback string `json:"fallback"`
	// Restart is RestartFresh or RestartAgain.
	Restart string `json:"restart"`
	// Lazy lets the processes run before their memory is loaded, where kernel and checkpoint permit it: package lazy.
	Lazy bool `json:"lazy"`
	// Arriving are the containers whose memory arrives after the plan: package arrival has what is there. Only a lazy plan has
	// some.
	Arriving []string `json:"arriving,omitempty"`
	// MemorySeconds limits how long memory is loaded while the processes run, in seconds; 0 means DefaultMemorySeconds.
	MemorySeconds int `json:"memorySeconds,omitempty"`
	// RestoreSeconds limits one run of CRIU, in seconds; 0 means DefaultRestoreSeconds.
	RestoreSeconds int `json:"restoreSeconds,omitempty"`
	// LogBytes limits CRIU's log; 0 means DefaultLogBytes.
	LogBytes int64 `json:"logBytes,omitempty"`
	// Seal has the files whose checksum was compared when the plan was written, by path relative to the checkpoint's
	// directory. A file that was not changed since is not read again.
	Seal map[string]Sealed `json:"seal,omitempty"`
	// Boot is the ID of the boot in which the seal was taken. It says nothing in another one: after a crash of the node a
	// file can have its times without its content.
	Boot string `json:"boot,omitempty"`
}

// Metadata is the size of checkpoint.json in bytes, and its sha256 in hexadecimal digits.
type Metadata struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Sealed identifies the content of a file: the kernel changes ctime with each change of content, owner, mode or links.
type Sealed struct {
	Inode uint64 `json:"inode"`
	// Changed is ctime in nanoseconds since 1970.
	Changed int64 `json:"changed"`
}

// Parse reads and validates plan.json. It returns an error that names the first invalid field.
func Parse(from io.Reader) (*Plan, error) {
	var plan Plan
	if err := strictjson.Decode(from, maxBytes, &plan); err != nil {
		return nil, fmt.Errorf("%s: %w", File, err)
	}
	if err := plan.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", File, err)
	}
	return &plan, nil
}

// Validate checks every field.
func (p *Plan) Validate() error {
	switch {
	case p.Version != Version:
		return fmt.Errorf("version is %d, this program reads version %d", p.Version, Version)
	case !checkpoint.IsUID(p.PodUID):
		return fmt.Errorf("podUID %.80q is invalid", p.PodUID)
	case !checkpoint.IsUID(p.Checkpoint) || reserved[p.Checkpoint]:
		return fmt.Errorf("checkpoint %.80q is not a valid name", p.Checkpoint)
	case p.Metadata.Size <= 0 || p.Metadata.Size > checkpoint.MaxBytes || !isDigest(p.Metadata.SHA256):
		return fmt.Errorf("metadata is invalid: %d bytes, sha256 %.80q", p.Metadata.Size, p.Metadata.SHA256)
	case p.Deadline.IsZero():
		return fmt.Errorf("deadline is missing")
	case p.Fallback != FallbackFresh && p.Fallback != FallbackFail:
		return fmt.Errorf("fallback is %.80q, not %s or %s", p.Fallback, FallbackFresh, FallbackFail)
	case p.Restart != RestartFresh && p.Restart != RestartAgain:
		return fmt.Errorf("restart is %.80q, not %s or %s", p.Restart, RestartFresh, RestartAgain)
	case len(p.Arriving) > 0 && !p.Lazy:
		return fmt.Errorf("memory of %d containers arrives after the plan, which is not lazy", len(p.Arriving))
	case slices.ContainsFunc(p.Arriving, func(name string) bool { return !checkpoint.IsName(name) }):
		return fmt.Errorf("arriving has an invalid name: %.400q", p.Arriving)
	case p.MemorySeconds < 0 || p.MemorySeconds > MaxMemorySeconds:
		return fmt.Errorf("memorySeconds is %d, not 1 to %d", p.MemorySeconds, MaxMemorySeconds)
	case p.RestoreSeconds < 0 || p.RestoreSeconds > MaxRestoreSeconds:
		return fmt.Errorf("restoreSeconds is %d, not 1 to %d", p.RestoreSeconds, MaxRestoreSeconds)
	case p.LogBytes < 0 || p.LogBytes > 1<<30:
		return fmt.Errorf("logBytes is %d, not 1 to 1 GiB", p.LogBytes)
	}
	return nil
}

// RestoreLimit returns the limit of one run of CRIU.
func (p *Plan) RestoreLimit() time.Duration {
	if p.RestoreSeconds == 0 {
		return DefaultRestoreSeconds * time.Second
	}
	return time.Duration(p.RestoreSeconds) * time.Second
}

// MemoryLimit returns the limit of the time in which memory is loaded, in seconds.
func (p *Plan) MemoryLimit() int {
	if p.MemorySeconds == 0 {
		return DefaultMemorySeconds
	}
	return p.MemorySeconds
}

// LogLimit returns the limit of CRIU's log in bytes.
func (p *Plan) LogLimit() int64 {
	if p.LogBytes == 0 {
		return DefaultLogBytes
	}
	return p.LogBytes
}

// reserved are the names that the directory of a pod has besides its checkpoint.
var reserved = map[string]bool{File: true, stateFile: true, lockFile: true, WorkDirectory: true, BackupDirectory: true, MemoryDirectory: true}

func isDigest(text string) bool {
	for _, c := range []byte(text) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(text) == 64
}
