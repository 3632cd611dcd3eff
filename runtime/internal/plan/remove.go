package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/lazy"
	"golang.org/x/sys/unix"
)

// RemovedPrefix begins the names of directories that are being removed.
const RemovedPrefix = ".removed-"

// ErrInUse is returned by Remove and Reserve while the wrapper restores a container of the pod, or memory of it is loaded.
var ErrInUse = errors.New("a container of the pod is being restored")

// Remove deletes the directory of a pod. It is no error if there is none. A rename hides the directory first, so that a
// crash in the middle leaves no part of a plan.
func Remove(base, uid string) error {
	pod, err := Open(base, uid)
	if errors.Is(err, ErrNoPlan) {
		return removeHidden(base, uid)
	}
	if err != nil {
		return err
	}
	defer pod.Close()
	// A wrapper that waits for the lock finds no plan afterwards.
	if err := pod.Reserve(); err != nil {
		return err
	}
	if err := removeHidden(base, uid); err != nil {
		return err
	}
	parent, err := openBase(base)
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := parent.Rename(uid, RemovedPrefix+uid); err != nil {
		return err
	}
	return parent.RemoveAll(RemovedPrefix + uid)
}

// Reserve locks the directory of a pod without a wait. It returns ErrInUse if the wrapper restores a container of the pod, or
// memory of it is loaded. Close releases the lock.
func (p *Pod) Reserve() error {
	file, err := p.root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		if err == unix.EWOULDBLOCK {
			return ErrInUse
		}
		return fmt.Errorf("cannot lock %s: %w", file.Name(), err)
	}
	p.lock = file
	if loading, err := p.Loading(); err != nil {
		return err
	} else if loading {
		return ErrInUse
	}
	return nil
}

// Loading says if memory of a container of the pod is loaded from the checkpoint while its processes run.
func (p *Pod) Loading() (bool, error) {
	directories, err := filepath.Glob(p.Path(WorkDirectory, "*"))
	if err != nil {
		return false, err
	}
	for _, each := range directories {
		if active, err := lazy.Active(each); active || err != nil {
			return active, err
		}
	}
	return false, nil
}

func removeHidden(base, uid string) error {
	if !checkpoint.IsUID(uid) {
		return fmt.Errorf("the pod's UID %.80q is invalid", uid)
	}
	parent, err := openBase(base)
	if errors.Is(err, ErrNoPlan) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	return parent.RemoveAll(RemovedPrefix + uid)
}

// Pods returns the UIDs of the pods with a directory, sorted. It is no error if base does not exist.
func Pods(base string) ([]string, error) {
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	uids := []string{}
	for _, each := range entries {
		if !strings.HasPrefix(each.Name(), ".") && each.IsDir() && checkpoint.IsUID(each.Name()) {
			uids = append(uids, each.Name())
		}
	}
	return uids, err
}

// Publish gives the directory that Write prepared its final name. It returns ErrPlanExists if the pod has a directory.
func Publish(base, prepared, uid string) error {
	if !checkpoint.IsUID(uid) {
		return fmt.Errorf("the pod's UID %.80q is invalid", uid)
	}
	parent, err := openBase(base)
	if err != nil {
		return err
	}
	defer parent.Close()
	err = parent.Rename(prepared, uid)
	if err != nil && exists(parent, uid) {
		return ErrPlanExists
	}
	return err
}

// SealOf returns the seal of a file whose content was compared with its sha256, and that no other process changes.
func SealOf(root *os.Root, name string) (Sealed, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return Sealed{}, err
	}
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return Sealed{}, fmt.Errorf("%s has no ctime", name)
	}
	return Sealed{Inode: stat.Ino, Changed: stat.Ctim.Nano()}, nil
}
