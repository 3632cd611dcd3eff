package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sleeper is the first argument of this program as a child process.
const sleeper = "sleep"

// processes are the kinds of processes, namespaces and mounts.
var processes = map[string]open{
	"child":   func(string) (use, error) { return alive(child(0)) },
	"session": func(string) (use, error) { return alive(child(0, func(a *syscall.SysProcAttr) { a.Setsid = true })) },
	"zombie": func(string) (use, error) {
		command, err := child(0)
		if err != nil {
			return nil, err
		}
		return func() error {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command.Process.Pid))
			if err == nil && !strings.Contains(string(text), ") Z ") {
				err = errors.New("the child is no zombie")
			}
			return err
		}, killed(command)
	},
	// The parent of the process ends: it becomes a child of the container's first process, or of the pod's.
	"orphan": func(string) (use, error) {
		_, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "/bin/hold sleep & "}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
		return nil, err
	},
	"traced": func(string) (use, error) {
		ready := make(chan error)
		var pid int
		go func() {
			// Only the thread that traces may end the trace.
			runtime.LockOSThread()
			command, err := child(0, func(a *syscall.SysProcAttr) { a.Ptrace = true })
			if err == nil {
				pid = command.Process.Pid
				_, err = syscall.Wait4(pid, nil, 0, nil)
			}
			if err == nil {
				err = syscall.PtraceCont(pid, 0)
			}
			ready <- err
			select {}
		}()
		return func() error { return syscall.Kill(pid, 0) }, <-ready
	},
	"user-namespace": func(string) (use, error) {
		return alive(child(syscall.CLONE_NEWUSER, func(a *syscall.SysProcAttr) {
			a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
			a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
		}))
	},
	"pid-namespace":     func(string) (use, error) { return alive(child(syscall.CLONE_NEWPID)) },
	"mount-namespace":   func(string) (use, error) { return alive(child(syscall.CLONE_NEWNS)) },
	"network-namespace": func(string) (use, error) { return alive(child(syscall.CLONE_NEWNET)) },
	"uts-namespace":     func(string) (use, error) { return alive(child(syscall.CLONE_NEWUTS)) },
	"ipc-namespace":     func(string) (use, error) { return alive(child(syscall.CLONE_NEWIPC)) },
	"cgroup-namespace":  func(string) (use, error) { return alive(child(unix.CLONE_NEWCGROUP)) },
	"time-namespace":    func(string) (use, error) { return alive(child(unix.CLONE_NEWTIME)) },
	"cgroup": func(directory string) (use, error) {
		command, err := child(0)
		if err != nil {
			return nil, err
		}
		text := fmt.Appendf(nil, "%d", command.Process.Pid)
		return func() error { _, err := os.Stat(directory); return err },
			errors.Join(os.Mkdir(directory, 0o755), os.WriteFile(directory+"/cgroup.procs", text, 0))
	},
	"chroot": func(string) (use, error) {
		return func() error { _, err := os.Stat("/"); return err },
			errors.Join(os.MkdirAll("/held", 0o755), unix.Chroot("/held"), os.Chdir("/"))
	},
	"tmpfs": func(string) (use, error) {
		if err := errors.Join(os.Mkdir("/held", 0o755), unix.Mount("held", "/held", "tmpfs", 0, "")); err != nil {
			return nil, err
		}
		return keep(os.Create("/held/file"))
	},
	"bind-mount": func(string) (use, error) {
		if err := errors.Join(os.Mkdir("/held", 0o755), unix.Mount("/bin", "/held", "", unix.MS_BIND, "")); err != nil {
			return nil, err
		}
		return func() error { _, err := os.Stat("/held/hold"); return err }, nil
	},
	"overlay": func(string) (use, error) {
		err := errors.Join(
			os.Mkdir("/held", 0o755), unix.Mount("held", "/held", "tmpfs", 0, ""),
			os.Mkdir("/held/a", 0o755), os.Mkdir("/held/b", 0o755), os.Mkdir("/held/c", 0o755), os.Mkdir("/held/d", 0o755),
			unix.Mount("overlay", "/held/d", "overlay", 0, "lowerdir=/held/a,upperdir=/held/b,workdir=/held/c"),
		)
		return func() error { _, err := os.Stat("/held/d"); return err }, err
	},
	"proc-mount": func(string) (use, error) {
		err := errors.Join(os.Mkdir("/held", 0o755), unix.Mount("proc", "/held", "proc", 0, ""))
		return func() error { _, err := os.Stat("/held/self"); return err }, err
	},
}

// child starts this program as a process that sleeps.
func child(flags uintptr, options ...func(*syscall.SysProcAttr)) (*exec.Cmd, error) {
	command := exec.Command("/proc/self/exe", sleeper)
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	for _, each := range options {
		each(command.SysProcAttr)
	}
	held = append(held, command)
	return command, command.Start()
}

func alive(command *exec.Cmd, err error) (use, error) {
	return func() error { return command.Process.Signal(syscall.Signal(0)) }, err
}

// killed kills a child that nothing waits for.
func killed(command *exec.Cmd) error {
	if err := command.Process.Kill(); err != nil {
		return err
	}
	_, err := retry(func() (int, error) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command.Process.Pid))
		if err == nil && !strings.Contains(string(text), ") Z ") {
			err = errors.New("the child still runs")
		}
		return 0, err
	})
	return err
}
