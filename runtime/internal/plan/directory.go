package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/proc"
	"golang.org/x/sys/unix"
)

// Names in the directory of a pod, besides the plan and the checkpoint.
const (
	// WorkDirectory holds a directory with the logs of CRIU for each container.
	WorkDirectory = "work"
	// BackupDirectory holds what volumes contained before they were restored.
	BackupDirectory = "backup"
	lockFile        = "lock"
)

// ErrNoPlan is returned while a pod has no directory, or one without a plan.
var ErrNoPlan = errors.New("there is no plan")

// Pod is the directory of one pod.
type Pod struct {
	UID  string
	path string
	root *os.Root
	lock *os.File
}

// Open opens the directory of a pod below base. It returns ErrNoPlan if there is none, and an error unless base and the
// directory belong to root and are writable for root only.
func Open(base, uid string) (*Pod, error) {
	root, err := openOf(base, "", uid)
	if err != nil {
		return nil, err
	}
	return &Pod{UID: uid, path: filepath.Join(base, uid), root: root}, nil
}

// openOf opens the directory of a pod below base whose name is a prefix and the pod's UID, as Open does.
func openOf(base, prefix, uid string) (*os.Root, error) {
	if !checkpoint.IsUID(uid) {
		return nil, fmt.Errorf("the pod's UID %.80q is invalid", uid)
	}
	parent, err := openBase(base)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	name := prefix + uid
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoPlan
	}
	if err != nil {
		return nil, err
	}
	if err := private(info, 0o077); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", base, name, err)
	}
	return parent.OpenRoot(name)
}

func openBase(base string) (*os.Root, error) {
	info, err := os.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoPlan
	}
	if err != nil {
		return nil, err
	}
	if err := private(info, 0o022); err != nil {
		return nil, fmt.Errorf("%s: %w", base, err)
	}
	return os.OpenRoot(base)
}

// private checks that a directory or regular file belongs to this program's user, root, and lacks some permissions.
func private(info fs.FileInfo, not fs.FileMode) error {
	stat, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir() && !info.Mode().IsRegular():
		return errors.New("it is neither a directory nor a regular file")
	case !known || int(stat.Uid) != os.Geteuid():
		return errors.New("it does not belong to root")
	case info.Mode().Perm()&not != 0:
		return fmt.Errorf("its mode is %04o", info.Mode().Perm())
	case info.Mode().IsRegular() && stat.Nlink != 1:
		return errors.New("it has several names")
	}
	return nil
}

// Close closes the directory and releases its lock.
func (p *Pod) Close() {
	if p.lock != nil {
		p.lock.Close()
	}
	p.root.Close()
}

// Path returns the absolute path of an entry of the directory.
func (p *Pod) Path(parts ...string) string {
	return filepath.Join(append([]string{p.path}, parts...)...)
}

// Lock waits until no other process restores a container of the pod. Close, or the end of the process, releases it.
func (p *Pod) Lock() error {
	file, err := p.root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	for {
		if err = unix.Flock(int(file.Fd()), unix.LOCK_EX); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		file.Close()
		return fmt.Errorf("cannot lock %s: %w", file.Name(), err)
	}
	p.lock = file
	return nil
}

// Read reads the plan. It returns ErrNoPlan if there is none.
func (p *Pod) Read() (*Plan, error) {
	text, err := p.readFile(File, maxBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoPlan
	}
	if err != nil {
		return nil, err
	}
	plan, err := Parse(bytes.NewReader(text))
	if err == nil && plan.PodUID != p.UID {
		err = fmt.Errorf("%s is for pod %s", File, plan.PodUID)
	}
	return plan, err
}

// readFile reads a file of root, and refuses any other.
func (p *Pod) readFile(name string, limit int64) ([]byte, error) {
	info, err := p.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if err := private(info, 0o022); err != nil || info.IsDir() {
		return nil, errors.Join(fmt.Errorf("%s is not a file of root", p.Path(name)), err)
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", p.Path(name), info.Size(), limit)
	}
	return p.root.ReadFile(name)
}

// Verify reads the checkpoint of a plan and checks all of it: owner and mode of each file and directory, that nothing is
// missing or added, sizes, and the checksum of each file that was changed since the plan was written, but of memory that is
// still to arrive. It writes nothing.
func (p *Pod) Verify(plan *Plan) (*checkpoint.Checkpoint, error) {
	root, err := p.root.OpenRoot(plan.Checkpoint)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := p.checkOwners(plan.Checkpoint); err != nil {
		return nil, err
	}
	size, sum, err := checkpoint.Digest(root, checkpoint.File)
	if err != nil {
		return nil, err
	}
	if size != plan.Metadata.Size || sum != plan.Metadata.SHA256 {
		return nil, fmt.Errorf("%s has another size or sha256 than %s names", checkpoint.File, File)
	}
	found, err := checkpoint.Read(root)
	if err != nil {
		return nil, err
	}
	if err := found.Verify(root); err != nil {
		return nil, err
	}
	boot, err := proc.BootID()
	if err != nil {
		return nil, err
	}
	known, missing, err := p.arrivals(plan, boot)
	if err != nil {
		return nil, err
	}
	if boot == plan.Boot {
		maps.Copy(known, plan.Seal)
	}
	_, err = seal(root, withoutPagesOf(found, missing), known)
	return found, err
}

func (p *Pod) checkOwners(name string) error {
	return fs.WalkDir(p.root.FS(), name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if err := private(info, 0o022); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
}

// withoutPagesOf returns the files of a checkpoint but those with pages of some containers.
func withoutPagesOf(c *checkpoint.Checkpoint, containers []string) map[string]checkpoint.Archive {
	paths := c.Paths()
	for _, container := range containers {
		for name := range pagesOf(c, container) {
			delete(paths, name)
		}
	}
	return paths
}

// seal compares the checksums of files of a checkpoint but those that known shows as unchanged. It returns the seal of all,
// taken before they were read. It returns ErrChecksum if a file differs.
func seal(root *os.Root, paths map[string]checkpoint.Archive, known map[string]Sealed) (map[string]Sealed, error) {
	sealed := make(map[string]Sealed, len(paths))
	changed := []string{}
	for name := range paths {
		found, err := SealOf(root, name)
		if err != nil {
			return nil, err
		}
		sealed[name] = found
		if known[name] != found {
			changed = append(changed, name)
		}
	}
	// The largest files first, so that all workers end at about the same time.
	slices.SortFunc(changed, func(a, b string) int { return int(min(max(paths[b].Size-paths[a].Size, -1), 1)) })
	return sealed, checkpoint.Each(changed, workers, func(name string) error {
		stored, err := checkpoint.ArchiveOf(root, name)
		if err == nil && stored != paths[name] {
			err = fmt.Errorf("%s: %w", name, ErrChecksum)
		}
		return err
	})
}

// workers is how many files are read at a time.
const workers = 4

// Write verifies the checkpoint that a plan names, in a directory that has not its final name yet, and writes plan.json
// with the size, sha256 and seal that it found. Files that plan.Seal shows as unchanged are not read: this process compared
// their checksums when it wrote them. Rename the directory afterwards to POD_UID: a plan must appear with all that it names.
// The files must be of root, and writable for root only.
func Write(dir string, plan Plan) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	inside, err := root.OpenRoot(plan.Checkpoint)
	if err != nil {
		return err
	}
	defer inside.Close()
	if plan.Arriving, err = arrivingIn(dir); err != nil {
		return err
	}
	text, err := complete(inside, plan)
	if err != nil {
		return err
	}
	return writeFile(root, File, text)
}

// complete verifies the checkpoint of a plan, and returns the text of plan.json with what it found.
func complete(inside *os.Root, plan Plan) ([]byte, error) {
	var err error
	if plan.Metadata.Size, plan.Metadata.SHA256, err = checkpoint.Digest(inside, checkpoint.File); err != nil {
		return nil, err
	}
	plan.Version = Version
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	found, err := checkpoint.Read(inside)
	if err != nil {
		return nil, err
	}
	if err := found.Verify(inside); err != nil {
		return nil, err
	}
	if plan.Seal, err = seal(inside, withoutPagesOf(found, plan.Arriving), plan.Seal); err != nil {
		return nil, err
	}
	if plan.Boot, err = proc.BootID(); err != nil {
		return nil, err
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	if len(text) > maxBytes {
		plan.Seal = nil
		if text, err = json.Marshal(plan); err != nil {
			return nil, err
		}
	}
	return text, nil
}

// writeFile writes a file of root in one step: another process sees the old content or the new.
func writeFile(root *os.Root, name string, text []byte) error {
	temporary := "." + name + ".new"
	if err := root.RemoveAll(temporary); err != nil {
		return err
	}
	file, err := root.OpenFile(temporary, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return root.Rename(temporary, name)
}
