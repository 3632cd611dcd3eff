package wrapper

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// System has the paths that the wrapper uses, and the calls that end it.
type System struct {
	// RuntimeFile is a file of root with one line: the absolute path of the real OCI runtime.
	RuntimeFile string
	// Runtimes are tried in order if RuntimeFile does not exist.
	Runtimes []string
	// FolderFile is a file of root with one line: the absolute path of the directory of installed versions.
	FolderFile string
	// Folder is the default of FolderFile.
	Folder string
	// Marks is the directory with a file for each restored container that was not deleted yet.
	Marks string
	// Plans is plan.Directory.
	Plans string
	// Service is the socket of the host service.
	Service string
	// Self is the path of this program's file.
	Self string
	// Exec replaces the process, as syscall.Exec does.
	Exec func(path string, args, environment []string) error
}

// Host is the System of a node.
func Host() System {
	return System{
		RuntimeFile: "/etc/cedana-cdk/runtime",
		Runtimes:    []string{"/usr/local/sbin/runc", "/usr/sbin/runc", "/usr/bin/runc"},
		FolderFile:  "/etc/cedana-cdk/folder",
		Folder:      "/opt/cedana-cdk",
		Marks:       "/run/cedana-cdk/restored",
		Plans:       "/var/lib/cedana-cdk/restore",
		Service:     "/run/cedana-cdk/node/node.sock",
		Self:        "/proc/self/exe",
		Exec:        syscall.Exec,
	}
}

// installedProgram is the path of this module's program in the directory of installed versions.
const installedProgram = "current/bin/cedana-node"

// realRuntime returns the path of the OCI runtime that the wrapper delegates to. A setting that is not usable gives the
// default: a container must start also then.
func (s System) realRuntime() (string, error) {
	path, err := setting(s.RuntimeFile)
	if err == nil && path != "" {
		if err = s.usable(path); err == nil {
			return path, nil
		}
	}
	for _, each := range s.Runtimes {
		if s.usable(each) == nil {
			return each, nil
		}
	}
	return "", errors.Join(fmt.Errorf("no OCI runtime is at %s", strings.Join(s.Runtimes, ", ")), err)
}

// usable rejects what is not a program, and this program itself, which would call itself without an end.
func (s System) usable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("%s is not a program", path)
	}
	if self, err := os.Stat(s.Self); err == nil && os.SameFile(self, info) {
		return fmt.Errorf("%s is the wrapper itself", path)
	}
	return nil
}

// installed returns the path of the program that restores: that of the installed version. It returns an empty path if
// nothing is installed, as after an uninstall: then nothing is restored.
func (s System) installed() string {
	folder, err := setting(s.FolderFile)
	if err != nil || folder == "" {
		folder = s.Folder
	}
	path, err := filepath.EvalSymlinks(filepath.Join(folder, installedProgram))
	if err != nil || trusted(path) != nil {
		return ""
	}
	return path
}

// trusted checks that only root can change a file and the directories that lead to it.
func trusted(path string) error {
	for {
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
		if int(stat.Uid) != os.Geteuid() && stat.Uid != 0 || info.Mode().Perm()&0o022 != 0 && !sticky {
			return fmt.Errorf("%s can be changed by others than root", path)
		}
		if path == "/" || path == "." {
			return nil
		}
		path = filepath.Dir(path)
	}
}

// setting reads a file of root with one absolute path. It returns an empty path if there is no file.
func setting(name string) (string, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	stat := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || int(stat.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("%s can be changed by others than root", name)
	}
	text, err := io.ReadAll(io.LimitReader(file, 4097))
	if err != nil {
		return "", err
	}
	path := strings.TrimSpace(string(text))
	if len(text) > 4096 || !filepath.IsAbs(path) || strings.ContainsAny(path, "\n\x00") {
		return "", fmt.Errorf("%s is not one absolute path", name)
	}
	return path, nil
}
