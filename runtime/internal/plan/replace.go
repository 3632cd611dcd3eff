package plan

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/checkpoint"
)

// A plan that restores containers again is replaced when the pod has a newer checkpoint, in three steps:
//
//  1. the checkpoint gets a name in the directory of the pod, beside that of the plan
//  2. plan.json is replaced by one that names it
//  3. everything else that looks like a checkpoint is deleted
//
// The wrapper uses only the checkpoint that plan.json names. So it finds the old plan or the new one, whole, whenever the
// process is killed, and the same call completes what was interrupted.

// Prepare verifies a checkpoint that is to replace that of a plan, writes it to the disk, and returns the text of a plan that
// differs from the old one only in what names the checkpoint. The directory has the name of the checkpoint. Prepare changes
// nothing, and needs no lock.
func Prepare(directory string, old Plan) ([]byte, error) {
	inside, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	defer inside.Close()
	old.Checkpoint, old.Seal, old.Arriving = filepath.Base(directory), nil, nil
	text, err := complete(inside, old)
	if err != nil {
		return nil, err
	}
	// The old checkpoint, which is deleted, has been on the disk for long.
	return text, syncAll(inside)
}

// Replace moves a checkpoint into the directory of the pod and replaces the plan by a text of Prepare. If the checkpoint has
// been moved already, it does the rest. Call it with the lock.
func (p *Pod) Replace(directory string, text []byte) error {
	name := filepath.Base(directory)
	if err := p.move(directory, name); err != nil {
		return err
	}
	if err := p.point(text); err != nil {
		return err
	}
	return p.DeleteOthers(name)
}

// Moved returns the path that Replace gives a checkpoint, and whether it exists.
func (p *Pod) Moved(name string) (string, bool) {
	info, err := p.root.Lstat(name)
	return p.Path(name), err == nil && info.IsDir() && !reserved[name]
}

func (p *Pod) move(directory, name string) error {
	if target, moved := p.Moved(name); directory == target && moved {
		return nil
	}
	if err := os.Rename(directory, p.Path(name)); err != nil {
		return err
	}
	return syncPath(p.root, ".")
}

func (p *Pod) point(text []byte) error {
	if err := writeFile(p.root, File, text); err != nil {
		return err
	}
	return syncPath(p.root, ".")
}

// DeleteOthers deletes all checkpoints in the directory of the pod but one: those of plans that were replaced. Call it with
// the lock.
func (p *Pod) DeleteOthers(name string) error {
	entries, err := fs.ReadDir(p.root.FS(), ".")
	for _, each := range entries {
		if each.IsDir() && each.Name() != name && !reserved[each.Name()] {
			err = errors.Join(err, p.root.RemoveAll(each.Name()))
		}
	}
	return err
}

// Current returns the plan and its checkpoint. A plan that is replaced meanwhile is read again.
func (p *Pod) Current() (*Plan, *checkpoint.Checkpoint, error) {
	for {
		plan, err := p.Read()
		if err != nil {
			return nil, nil, err
		}
		found, err := p.readCheckpoint(plan.Checkpoint)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return plan, found, err
		}
		if again, readErr := p.Read(); readErr != nil || again.Checkpoint == plan.Checkpoint {
			return nil, nil, errors.Join(err, readErr)
		}
	}
}

func (p *Pod) readCheckpoint(name string) (*checkpoint.Checkpoint, error) {
	root, err := p.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return checkpoint.Read(root)
}

// syncAll writes all files and directories below a directory to the disk.
func syncAll(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(root, path.Clean(name))
	})
}

// syncPath writes a directory, or a file, to the disk.
func syncPath(root *os.Root, name string) error {
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
