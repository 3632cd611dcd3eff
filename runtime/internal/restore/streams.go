package restore

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// CRIUName is the name under which the runtime of a restore finds this program in the place of CRIU.
const CRIUName = "criu"

// Variables in the environment of a restore's runtime, for RunCRIU.
const (
	streamsVariable = "CEDANA_RESTORE_STREAMS"
	pathVariable    = "CEDANA_RESTORE_PATH"
)

// binaries is the directory with this program as criu, in the directory of the restore's logs.
const binaries = "bin"

// hideStreams gives a runtime a file in place of the container's streams, and CRIU the streams. The runtime writes its
// errors to stderr, from where they would reach the container's log although the container then starts fresh. CRIU
// needs the streams, as it puts the restored process's in their place.
func hideStreams(command *exec.Cmd, work string) (*os.File, error) {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	directory := filepath.Join(work, binaries)
	if err := os.Mkdir(directory, 0o700); err != nil {
		return nil, err
	}
	if err := os.Symlink(self, filepath.Join(directory, CRIUName)); err != nil {
		return nil, err
	}
	output, err := os.OpenFile(filepath.Join(work, "runtime.out"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	command.Stdout, command.Stderr = output, output
	for i, each := range command.Env {
		if path, found := strings.CutPrefix(each, "PATH="); found {
			command.Env[i] = "PATH=" + directory + ":" + path
			command.Env = append(command.Env, pathVariable+"="+path, streamsVariable+"="+strconv.Itoa(os.Getpid()))
			return output, nil
		}
	}
	return nil, errors.Join(errors.New("the environment has no PATH"), output.Close())
}

// RunCRIU replaces this process by CRIU with the streams of the process that restores, which the environment names. It
// returns the exit status of an error.
func RunCRIU(args []string) int {
	err := func() error {
		path := os.Getenv(pathVariable)
		if err := takeStreams(os.Getenv(streamsVariable)); err != nil {
			return err
		}
		if err := os.Setenv("PATH", path); err != nil {
			return err
		}
		program, err := exec.LookPath(CRIUName)
		if err != nil {
			return err
		}
		self, err := os.Stat("/proc/self/exe")
		if err != nil {
			return err
		}
		if found, err := os.Stat(program); err != nil || os.SameFile(self, found) {
			return errors.Join(fmt.Errorf("%s is not CRIU", program), err)
		}
		// CRIU overwrites its environment, so a later call would not find it by the mark. It ends with the runtime, and
		// the runtime with the wrapper. The processes that CRIU creates do not inherit it.
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return err
		}
		_ = os.Unsetenv(pathVariable)
		_ = os.Unsetenv(streamsVariable)
		return syscall.Exec(program, append([]string{CRIUName}, args...), os.Environ())
	}()
	fmt.Fprintln(os.Stderr, "cedana-node:", err)
	return 1
}

// takeStreams makes the streams of another process those of this one.
func takeStreams(process string) error {
	pid, err := strconv.Atoi(process)
	if err != nil {
		return fmt.Errorf("%s is not set", streamsVariable)
	}
	other, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer unix.Close(other)
	for stream := range 3 {
		fd, err := unix.PidfdGetfd(other, stream, 0)
		if errors.Is(err, unix.EBADF) {
			// The shim started the runtime without it.
			continue
		}
		if err != nil {
			return err
		}
		err = unix.Dup3(fd, stream, 0)
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}
