package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// capability is a security.capability of version 2 with CAP_NET_BIND_SERVICE.
const capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// places are the directories in which files are changed: of the root file system, and of a volume.
var places = []string{"/made", shared + "/made"}

// changeFiles creates files of each kind, deletes files of the image, and replaces a directory of the image.
func changeFiles() error {
	for _, place := range places {
		at := func(name string) string { return filepath.Join(place, name) }
		err := firstOf(
			func() error { return os.MkdirAll(place, 0o711) },
			func() error { return os.WriteFile(at("file"), []byte("content"), 0o640) },
			func() error { return os.Truncate(at("file"), 1<<20) },
			// The kernel removes these bits and the capability at a change of the content or the owner.
			func() error { return os.Chown(at("file"), 12, 34) },
			func() error { return os.Chmod(at("file"), 0o640|os.ModeSetgid) },
			func() error { return unix.Lsetxattr(at("file"), "user.note", []byte("kept"), 0) },
			func() error { return unix.Lsetxattr(at("file"), "security.capability", []byte(capability), 0) },
			func() error { return os.Link(at("file"), at("link")) },
			func() error { return os.Symlink("/nowhere/at all", at("symlink")) },
			func() error { return syscall.Mkfifo(at("fifo"), 0o600) },
		)
		if err != nil {
			return err
		}
	}
	return firstOf(
		func() error { return os.Remove("/bin/wget") },
		// A file of the image in place of a directory's content: the directory is opaque.
		func() error { return os.RemoveAll("/tmp") },
		func() error { return os.Mkdir("/tmp", 0o700) },
		func() error { return os.WriteFile("/tmp/file", nil, 0o600) },
		// A file of the image with a second name.
		func() error { return os.Link("/bin/busybox", "/made/busybox") },
	)
}

// firstOf runs steps until one fails.
func firstOf(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// about is what a plain copy can lose.
type about struct {
	Mode       string            `json:"mode"`
	Owner      [2]uint32         `json:"owner"`
	Size       int64             `json:"size"`
	Links      uint64            `json:"links"`
	SameAs     string            `json:"sameAs,omitempty"`
	Target     string            `json:"target,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Modified   int64             `json:"modified"`
}

// describe prints the changed files as one line of JSON.
func describe() error {
	all := map[string]any{}
	first := map[[2]uint64]string{}
	for _, root := range append(places, "/tmp", "/bin/wget") {
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if os.IsNotExist(err) {
				all[path] = "absent"
				return nil
			}
			if err != nil {
				return err
			}
			one, key, err := aboutFile(path)
			if err != nil {
				return err
			}
			if earlier, ok := first[key]; ok {
				one.SameAs = earlier
			} else {
				first[key] = path
			}
			all[path] = one
			return nil
		})
		if err != nil {
			return err
		}
	}
	text, err := json.Marshal(all)
	fmt.Println(string(text))
	return err
}

func aboutFile(path string) (one about, key [2]uint64, err error) {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return one, key, err
	}
	one = about{Mode: fmt.Sprintf("%o", stat.Mode), Owner: [2]uint32{stat.Uid, stat.Gid}, Modified: stat.Mtim.Nano()}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		one.Size, one.Links = stat.Size, uint64(stat.Nlink)
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFLNK {
		one.Target, err = os.Readlink(path)
		return one, [2]uint64{uint64(stat.Dev), stat.Ino}, err
	}
	for _, name := range []string{"user.note", "security.capability"} {
		value := make([]byte, 256)
		if n, err := unix.Lgetxattr(path, name, value); err == nil {
			if one.Attributes == nil {
				one.Attributes = map[string]string{}
			}
			one.Attributes[name] = fmt.Sprintf("%x", value[:n])
		}
	}
	return one, [2]uint64{uint64(stat.Dev), stat.Ino}, nil
}
