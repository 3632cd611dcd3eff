package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ConfigFile is the name of the container's configuration in its bundle.
const ConfigFile = "config.json"

// MaxConfigBytes is the largest config.json that is read. A pod's object is at most 1.5 MiB in etcd, and its container's
// configuration repeats parts of it.
const MaxConfigBytes = 16 << 20

// RestoreAnnotation on a pod says that a plan to restore it exists or will come. Its value is ignored: only the plan in
// a directory of root counts. containerd copies it if pod_annotations of the runtime handler has cedana.ai/*.
const RestoreAnnotation = "cedana.ai/restore-plan"

// FallbackAnnotation on a pod with the value FallbackStop keeps a pod that cannot be restored from starting fresh. It only
// makes a pod stricter, so a pod gains nothing by it.
const (
	FallbackAnnotation = "cedana.ai/restore-fallback"
	FallbackStop       = "stop"
)

// Annotations that containerd's CRI plugin sets (containerd, internal/cri/annotations).
const (
	annotationType      = "io.kubernetes.cri.container-type"
	annotationContainer = "io.kubernetes.cri.container-name"
	annotationPodUID    = "io.kubernetes.cri.sandbox-uid"
)

// Pod says which container of which pod a config.json is for.
type Pod struct {
	// UID is the pod's UID.
	UID string
	// Container is the name of the container in the pod.
	Container string
	// Stop says that the pod must not start fresh: its annotation FallbackAnnotation is FallbackStop.
	Stop bool
}

// ReadConfig returns the text of the bundle's config.json.
func ReadConfig(bundle string) ([]byte, error) {
	file, err := os.Open(filepath.Join(bundle, ConfigFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, MaxConfigBytes+1))
	if err == nil && len(text) > MaxConfigBytes {
		err = fmt.Errorf("%s has more than %d bytes", file.Name(), MaxConfigBytes)
	}
	return text, err
}

// RestoredPod returns the container that a config.json is for if its pod has the annotation RestoreAnnotation. It
// returns false for all other containers and for sandboxes, and reads only the annotations.
func RestoredPod(config []byte) (Pod, bool) {
	var spec struct {
		Annotations map[string]string `json:"annotations"`
	}
	if json.Unmarshal(config, &spec) != nil {
		return Pod{}, false
	}
	if _, asked := spec.Annotations[RestoreAnnotation]; !asked || spec.Annotations[annotationType] != "container" {
		return Pod{}, false
	}
	pod := Pod{
		UID: spec.Annotations[annotationPodUID], Container: spec.Annotations[annotationContainer],
		Stop: spec.Annotations[FallbackAnnotation] == FallbackStop,
	}
	return pod, pod.UID != "" && pod.Container != ""
}

// ParseConfig reads a whole config.json. Unknown fields are ignored. The parts that a restore needs are never nil.
func ParseConfig(config []byte) (*specs.Spec, error) {
	var spec specs.Spec
	if err := json.Unmarshal(config, &spec); err != nil {
		return nil, fmt.Errorf("%s: %w", ConfigFile, err)
	}
	if spec.Process == nil || spec.Root == nil || spec.Linux == nil {
		return nil, errors.New(ConfigFile + " has no process, root or linux")
	}
	return &spec, nil
}

// RootFS returns the path of the container's root file system.
func RootFS(bundle string, spec *specs.Spec) string {
	if filepath.IsAbs(spec.Root.Path) {
		return filepath.Clean(spec.Root.Path)
	}
	return filepath.Join(bundle, spec.Root.Path)
}

// Namespace returns the path of a namespace that the container joins: empty if it gets a new one. It returns false if the
// container has the node's.
func Namespace(spec *specs.Spec, kind specs.LinuxNamespaceType) (string, bool) {
	for _, each := range spec.Linux.Namespaces {
		if each.Type == kind {
			return each.Path, true
		}
	}
	return "", false
}
