package restore

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"cedana.ai/cdk/runtime/internal/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// resolveDestinations returns where the runtime mounts each mount of a container. CRIU has the paths of open files so.
func resolveDestinations(bundle string, spec *specs.Spec) []string {
	root := oci.RootFS(bundle, spec)
	destinations := make([]string, len(spec.Mounts))
	for i, each := range spec.Mounts {
		resolved, err := resolveIn(root, each.Destination)
		if err != nil {
			// CRIU fails for a destination that cannot be resolved.
			resolved = path.Clean(each.Destination)
		}
		destinations[i] = resolved
	}
	return destinations
}

// resolveIn returns the path that a name has in a root file system, as the runtime and the kernel see it: links of the root file
// system are followed, and none leads out of it. What does not exist yet keeps its name.
func resolveIn(root, name string) (string, error) {
	directory, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(directory)
	how := &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	missing := ""
	for existing := path.Join("/", name); ; existing = path.Dir(existing) {
		found, err := unix.Openat2(directory, existing, how)
		if errors.Is(err, unix.ENOENT) && existing != "/" {
			missing = path.Join(path.Base(existing), missing)
			continue
		}
		if err != nil {
			return "", &os.PathError{Op: "openat2", Path: existing, Err: err}
		}
		defer unix.Close(found)
		whole, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", found))
		if err != nil {
			return "", err
		}
		base, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", directory))
		if err != nil {
			return "", err
		}
		return path.Join("/", strings.TrimPrefix(whole, base), missing), nil
	}
}
