// Package pod finds the running containers of a pod on this node, from the files of containerd's shim and of runc. It
// needs neither containerd's API nor the Kubernetes API.
package pod

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/pattern"
	"cedana.ai/cdk/runtime/internal/proc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Paths are the directories of the container runtime.
type Paths struct {
	// Bundles has a directory for each container with its config.json.
	Bundles string
	// Runtime is the state directory of runc: the value of its flag --root.
	Runtime string
}

// ContainerdPaths are the directories of containerd's CRI plugin with its default settings.
func ContainerdPaths() Paths {
	return Paths{"/run/containerd/io.containerd.runtime.v2.task/k8s.io", "/run/containerd/runc/k8s.io"}
}

// Pod is a pod with its running containers.
type Pod struct {
	UID       string
	Namespace string
	Name      string
	Hostname  string
	// SandboxPID is the process that holds the pod's namespaces.
	SandboxPID int
	// Containers are sorted by name. The sandbox is not one of them.
	Containers []Container
}

// Container is a running container.
type Container struct {
	ID     string
	Name   string
	Bundle string
	Spec   *specs.Spec
	// PID is the first process of the container.
	PID    int
	Cgroup freezer.Cgroup
}

// Annotations that containerd's CRI plugin writes to config.json.
const (
	annotationKind      = "io.kubernetes.cri.container-type"
	annotationName      = "io.kubernetes.cri.container-name"
	annotationUID       = "io.kubernetes.cri.sandbox-uid"
	annotationNamespace = "io.kubernetes.cri.sandbox-namespace"
	annotationPod       = "io.kubernetes.cri.sandbox-name"
)

// ErrNotFound is returned if no container of the pod runs on this node.
var ErrNotFound = errors.New("no container of this pod runs on this node")

// Find returns a pod by its UID.
func Find(paths Paths, uid string) (*Pod, error) {
	entries, err := os.ReadDir(paths.Bundles)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	found := &Pod{UID: uid}
	for _, entry := range entries {
		bundle := filepath.Join(paths.Bundles, entry.Name())
		// A container can be deleted at any time: a bundle that cannot be read is not of a running one.
		config, err := oci.ReadConfig(bundle)
		if err != nil || !strings.Contains(string(config), uid) {
			continue
		}
		spec, err := oci.ParseConfig(config)
		if err != nil || spec.Annotations[annotationUID] != uid {
			continue
		}
		state, err := readState(paths.Runtime, entry.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", entry.Name(), err)
		}
		if !state.running() {
			continue
		}
		found.Namespace, found.Name = spec.Annotations[annotationNamespace], spec.Annotations[annotationPod]
		if spec.Annotations[annotationKind] == "sandbox" {
			found.Hostname, found.SandboxPID = spec.Hostname, state.PID
			continue
		}
		container := Container{
			ID: entry.Name(), Name: spec.Annotations[annotationName], Bundle: bundle, Spec: spec, PID: state.PID,
		}
		if container.Cgroup, err = state.cgroup(entry.Name()); err != nil {
			return nil, fmt.Errorf("container %s: %w", container.Name, err)
		}
		found.Containers = append(found.Containers, container)
	}
	if len(found.Containers) == 0 {
		return nil, ErrNotFound
	}
	slices.SortFunc(found.Containers, func(a, b Container) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// Choose returns the containers with the names, in the order of the pod; all of them if there are no names.
func (p *Pod) Choose(names []string) ([]Container, error) {
	if len(names) == 0 {
		return p.Containers, nil
	}
	chosen := []Container{}
	for _, each := range p.Containers {
		if slices.Contains(names, each.Name) {
			chosen = append(chosen, each)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(each Container) bool { return each.Name == name }) {
			return nil, fmt.Errorf("container %s: %w", name, ErrNotFound)
		}
	}
	return chosen, nil
}

// runtimeState is the part of runc's state.json that does not come from config.json. It has been the same since runc 1.0.
type runtimeState struct {
	PID     int               `json:"init_process_pid"`
	Start   uint64            `json:"init_process_start"`
	Cgroups map[string]string `json:"cgroup_paths"`
}

// stateBytes is the largest state.json that is read. One of a container with a seccomp profile has 60 kB.
const stateBytes = 16 << 20

func readState(root, id string) (runtimeState, error) {
	file, err := os.Open(filepath.Join(root, id, "state.json"))
	if err != nil {
		return runtimeState{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, stateBytes))
	if err != nil {
		return runtimeState{}, err
	}
	return parseState(data)
}

func parseState(text []byte) (runtimeState, error) {
	var state runtimeState
	err := json.Unmarshal(text, &state)
	return state, err
}

// running says if the first process still is the one that the runtime started.
func (s runtimeState) running() bool {
	stat, err := proc.ReadStat(s.PID)
	return err == nil && stat.State != "Z" && stat.Start == s.Start
}

// Runs says if the first process of a container runs, by the state that the runtime has of it below its root.
func Runs(root, id string) bool {
	state, err := readState(root, id)
	return err == nil && state.running()
}

// cgroup returns the container's own cgroup with the freezer. On a hybrid hierarchy that is v1's.
func (s runtimeState) cgroup(id string) (freezer.Cgroup, error) {
	cgroup := freezer.Cgroup{Version: freezer.V1, Path: s.Cgroups["freezer"]}
	if cgroup.Path == "" {
		cgroup = freezer.Cgroup{Version: freezer.V2, Path: s.Cgroups[""]}
	}
	if err := cgroup.Validate(); err != nil {
		return cgroup, err
	}
	// With the cgroupfs driver the last part is the ID, with the systemd driver cri-containerd-ID.scope.
	if !strings.Contains(filepath.Base(cgroup.Path), id) {
		return cgroup, fmt.Errorf("cgroup %s is not the container's own", cgroup.Path)
	}
	return cgroup, nil
}

// emptyDir matches sources of mounts: the kubelet's directory, the pod's UID, the name of the volume.
var emptyDir = pattern.New(`^(/.*/pods/([^/]+))/` + regexp.QuoteMeta(checkpoint.EmptyDirs) + `/([^/]+)(?:/|$)`)

// subPath matches a mount of a subPath in the same way.
var subPath = pattern.New(`^(/.*/pods/([^/]+))/volume-subpaths/([^/]+)/`)

// Volumes returns the kubelet's directory of the pod and the names of the emptyDir volumes that the containers mount,
// sorted. The directory is "" if they mount none.
func (p *Pod) Volumes(containers []Container) (directory string, names []string) {
	for _, container := range containers {
		for _, mount := range container.Spec.Mounts {
			match := emptyDir().FindStringSubmatch(mount.Source)
			if match == nil {
				match = subPath().FindStringSubmatch(mount.Source)
			}
			if match == nil || match[2] != p.UID || slices.Contains(names, match[3]) || !checkpoint.IsName(match[3]) {
				continue
			}
			// A subPath can be of another type of volume.
			info, err := os.Lstat(filepath.Join(match[1], checkpoint.EmptyDirs, match[3]))
			if err == nil && info.IsDir() {
				directory, names = match[1], append(names, match[3])
			}
		}
	}
	slices.Sort(names)
	return directory, names
}

// SharedMemory returns the directory on the node that is the pod's /dev/shm; "" if no container mounts it.
func (p *Pod) SharedMemory(containers []Container) string {
	for _, container := range containers {
		for _, mount := range container.Spec.Mounts {
			if mount.Destination == "/dev/shm" && mount.Type == "bind" && filepath.Base(mount.Source) == "shm" &&
				strings.Contains(mount.Source, "/sandboxes/") {
				return mount.Source
			}
		}
	}
	return ""
}
