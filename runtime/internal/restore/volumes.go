package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/files"
	"cedana.ai/cdk/runtime/internal/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// emptyDir is the part of the path of an emptyDir between the pod's directory and the volume's name (kubelet,
// pkg/volume/emptydir). With subPath the kubelet mounts volume-subpaths/NAME/CONTAINER/INDEX.
const (
	emptyDir = "volumes/kubernetes.io~empty-dir"
	subPaths = "volume-subpaths"
)

// volumeName returns the name of the emptyDir that is the source of a mount; empty for any other source.
func volumeName(source string) string {
	_, name := splitVolume(source)
	return name
}

// volumePath returns the directory of the emptyDir that is the source of a mount of this pod; empty for any other.
func volumePath(source, podUID string) string {
	pod, name := splitVolume(source)
	if name == "" || path.Base(pod) != podUID {
		return ""
	}
	return path.Join(pod, emptyDir, name)
}

// splitVolume splits the source of a mount into the pod's directory and the name of the volume.
func splitVolume(source string) (pod, name string) {
	source = path.Clean(source)
	if pod, rest, found := strings.Cut(source, "/"+emptyDir+"/"); found {
		name, _, _ = strings.Cut(rest, "/")
		return pod, name
	}
	if pod, rest, found := strings.Cut(source, "/"+subPaths+"/"); found {
		name, _, _ = strings.Cut(rest, "/")
		// The same path is used for subPaths of other volumes.
		if info, err := os.Lstat(path.Join(pod, emptyDir, name)); err == nil && info.IsDir() {
			return pod, name
		}
	}
	return "", ""
}

// volumes returns the directories of the checkpoint's volumes that a container mounts, by name, and that of /dev/shm.
func (r *run) volumes() (map[string]string, error) {
	paths := map[string]string{}
	for _, mount := range r.container.Mounts {
		name, source := mount.Volume, sourceOf(r.spec, mount.Destination)
		if name == "" {
			continue
		}
		directory := volumePath(source, r.Pod.UID)
		if directory == "" || path.Base(directory) != name {
			return nil, fmt.Errorf("the mount at %s is not the emptyDir %s of this pod", mount.Destination, name)
		}
		paths[name] = directory
	}
	if r.checkpoint.SharedMemory != nil {
		if source := sharedMemory(r.spec); source != "" {
			paths[plan.SharedMemory] = source
		}
	}
	return paths, nil
}

// sharedMemory returns the directory of the sandbox's /dev/shm; empty if the container has its own.
func sharedMemory(spec *specs.Spec) string {
	for _, mount := range spec.Mounts {
		if mount.Type == "bind" && path.Clean(mount.Destination) == plan.SharedMemory {
			return mount.Source
		}
	}
	return ""
}

// restoreVolumes writes each volume of the container once for the pod, before its first container: later ones would put
// files back under the first one's feet.
func (r *run) restoreVolumes() error {
	paths, err := r.volumes()
	if err != nil {
		return err
	}
	for name, directory := range paths {
		if known := r.state.Volumes[name]; known != nil && known.Complete {
			continue
		}
		if err := r.restoreVolume(name, directory); err != nil {
			return fmt.Errorf("volume %s: %w", name, err)
		}
	}
	return nil
}

func (r *run) restoreVolume(name, directory string) error {
	if err := isDirectory(directory); err != nil {
		return err
	}
	volume := r.state.Volumes[name]
	// After an interrupted restore the volume has what that wrote, and the backup is of before.
	if volume == nil {
		volume = &plan.Volume{Path: directory}
		empty, err := isEmpty(directory)
		if err != nil {
			return err
		}
		if !empty {
			if err := r.backUp(name, directory); err != nil {
				return err
			}
			volume.Backup = true
		}
		r.state.Volumes[name] = volume
	}
	volume.Path, volume.Complete = directory, false
	if err := r.pod.Save(r.state); err != nil {
		return err
	}
	if err := removeContent(directory); err != nil {
		return err
	}
	archive := filepath.Join(checkpoint.Volumes, name+".tar")
	if name == plan.SharedMemory {
		archive = checkpoint.SharedMemory
	}
	if err := unpack(r.pod.Path(r.plan.Checkpoint, archive), directory, files.UnpackOptions{}); err != nil {
		return err
	}
	volume.Complete = true
	return r.pod.Save(r.state)
}

// backupName is the name of a volume's backup below plan.BackupDirectory.
func backupName(name string) string {
	if name == plan.SharedMemory {
		name = "_shm"
	}
	return name + ".tar"
}

func (r *run) backUp(name, directory string) error {
	if err := os.MkdirAll(r.pod.Path(plan.BackupDirectory), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(r.pod.Path(plan.BackupDirectory, backupName(name)), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = files.Pack(directory, file, files.PackOptions{})
	return errors.Join(err, file.Close())
}

// resetVolumes puts back what the volumes contained before the restore. No process may use them.
func resetVolumes(pod *plan.Pod, state *plan.State) error {
	var errs []error
	for name, volume := range state.Volumes {
		err := isDirectory(volume.Path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = removeContent(volume.Path)
		}
		if err == nil && volume.Backup {
			err = unpack(pod.Path(plan.BackupDirectory, backupName(name)), volume.Path, files.UnpackOptions{})
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("volume %s: %w", name, err))
			continue
		}
		delete(state.Volumes, name)
	}
	return errors.Join(errs...)
}

// SharesVolumes says if another container of the checkpoint mounts a volume of this one, or has the same /dev/shm: it is
// then not restored again.
func SharesVolumes(of *checkpoint.Checkpoint, container *checkpoint.Container) bool {
	if of.SharedMemory != nil && len(of.Containers) > 1 {
		return true
	}
	for _, other := range of.Containers {
		for _, mount := range other.Mounts {
			if other.Name != container.Name && mount.Volume != "" && slices.ContainsFunc(container.Mounts, func(own checkpoint.Mount) bool {
				return own.Volume == mount.Volume
			}) {
				return true
			}
		}
	}
	return false
}

func unpack(archive, directory string, options files.UnpackOptions) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = files.Unpack(file, directory, options)
	return err
}

// isDirectory checks that a path is a directory and no symbolic link. Only the kubelet and containerd write to the
// directories that lead to a volume.
func isDirectory(path string) error {
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", path)
	}
	return err
}

func isEmpty(directory string) (bool, error) {
	entries, err := os.ReadDir(directory)
	return len(entries) == 0, err
}

// removeContent removes all entries of a directory, without following links.
func removeContent(directory string) error {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	for _, each := range entries {
		if err := root.RemoveAll(each.Name()); err != nil {
			return err
		}
	}
	return nil
}
