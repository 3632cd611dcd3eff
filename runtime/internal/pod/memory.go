package pod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/oci"
	"golang.org/x/sys/unix"
)

// MemoryReader reads the memory of containers from their cgroups. It is for frequent reads: what does not change while a
// container exists, it reads once. Its zero value is not usable: use NewMemoryReader.
type MemoryReader struct {
	paths Paths
	// root is the directory below which all cgroups are.
	root  string
	mutex sync.Mutex
	// known has all containers on the node by ID. IDs are not used again.
	known map[string]accounted
}

// accounted is where the memory of a container is accounted.
type accounted struct {
	podUID, name, cgroup string
	// legacy is true with cgroup v1.
	legacy bool
}

// NewMemoryReader returns a reader of the containers in these directories.
func NewMemoryReader(paths Paths) *MemoryReader {
	return &MemoryReader{paths: paths, root: freezer.Root, known: map[string]accounted{}}
}

// Read returns the working set of the running containers of pods in bytes, by UID of the pod and name of the container. A pod
// that does not run on this node is missing. The working set is what the kubelet uses for evictions: the memory that is charged
// to the cgroup without the page cache on the inactive list, which the kernel reclaims first.
func (r *MemoryReader) Read(uids []string) (map[string]map[string]int64, error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if err := r.refresh(); err != nil {
		return nil, err
	}
	pods := map[string]map[string]int64{}
	for _, each := range r.known {
		if each.cgroup == "" || !slices.Contains(uids, each.podUID) {
			continue
		}
		bytes, err := each.workingSet()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("container %s of pod %s: %w", each.name, each.podUID, err)
		}
		if pods[each.podUID] == nil {
			pods[each.podUID] = map[string]int64{}
		}
		pods[each.podUID][each.name] = bytes
	}
	return pods, nil
}

// refresh adds containers that were created since the last time, and removes those that were deleted.
func (r *MemoryReader) refresh() error {
	entries, err := os.ReadDir(r.paths.Bundles)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	exist := make(map[string]bool, len(entries))
	for _, entry := range entries {
		id := entry.Name()
		exist[id] = true
		if _, known := r.known[id]; known {
			continue
		}
		// A container that is being created or deleted is read again the next time.
		if found, err := r.find(id); err == nil {
			r.known[id] = found
		}
	}
	for id := range r.known {
		if !exist[id] {
			delete(r.known, id)
		}
	}
	return nil
}

// find returns a container. The sandbox of a pod, and what is not of a pod, have no cgroup.
func (r *MemoryReader) find(id string) (accounted, error) {
	config, err := oci.ReadConfig(filepath.Join(r.paths.Bundles, id))
	if err != nil {
		return accounted{}, err
	}
	spec, err := oci.ParseConfig(config)
	if err != nil {
		return accounted{}, err
	}
	uid := spec.Annotations[annotationUID]
	if uid == "" || spec.Annotations[annotationKind] == "sandbox" {
		return accounted{}, nil
	}
	state, err := readState(r.paths.Runtime, id)
	if err != nil {
		return accounted{}, err
	}
	found := accounted{podUID: uid, name: spec.Annotations[annotationName], cgroup: state.Cgroups["memory"], legacy: true}
	if found.cgroup == "" {
		found.cgroup, found.legacy = state.Cgroups[""], false
	}
	if filepath.Clean(found.cgroup) != found.cgroup || !strings.HasPrefix(found.cgroup, r.root+"/") ||
		!strings.Contains(filepath.Base(found.cgroup), id) {
		return accounted{}, fmt.Errorf("cgroup %q is not the container's own", found.cgroup)
	}
	return found, nil
}

// errGone says that a cgroup was deleted while it was read.
var errGone = errors.New("the cgroup is empty")

func (m accounted) workingSet() (int64, error) {
	usage, inactive := "memory.current", "inactive_file"
	if m.legacy {
		usage, inactive = "memory.usage_in_bytes", "total_inactive_file"
	}
	text, err := os.ReadFile(filepath.Join(m.cgroup, usage))
	if err != nil {
		return 0, gone(err)
	}
	used, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", usage, err)
	}
	stat, err := os.ReadFile(filepath.Join(m.cgroup, "memory.stat"))
	if err != nil {
		return 0, gone(err)
	}
	for line := range strings.Lines(string(stat)) {
		value, found := strings.CutPrefix(strings.TrimSpace(line), inactive+" ")
		if !found {
			continue
		}
		cache, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("memory.stat: %w", err)
		}
		return max(0, used-cache), nil
	}
	return 0, fmt.Errorf("memory.stat has no %s", inactive)
}

// gone maps the error of a file whose cgroup was deleted after it was opened.
func gone(err error) error {
	if errors.Is(err, unix.ENODEV) {
		return errGone
	}
	return err
}
