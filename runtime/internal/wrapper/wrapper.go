// Package wrapper is an OCI runtime in front of another one. containerd calls it for each container of a runtime handler.
// It hands every call to the real runtime by exec, but for the creation of a container whose pod is restored, and the
// start of a container that was restored: its process runs already.
//
// An error of the wrapper never keeps a container from starting: what it cannot decide, it passes through.
package wrapper

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/pod"
	"cedana.ai/cdk/runtime/internal/restore"
	"golang.org/x/sys/unix"
)

// Name is the name of the wrapper: the program takes its role if it is called so.
const Name = "cedana-runc"

// startLimit is how long after the start of a container containerd can still fail it: the call returns at once, at a load of 20
// within a second.
const startLimit = 10 * time.Second

// Main handles one call with these arguments, without the program's name, and returns the exit status. It returns only
// if the call is complete or failed: else the real runtime replaces the process.
func Main(system System, args []string) int {
	call, acts := oci.Parse(args)
	if acts {
		switch call.Command {
		case "start":
			if system.marked(call) {
				return system.started(call)
			}
		case "kill":
			system.killed(call)
		case "delete":
			system.forget(call)
		case "create":
			if status, complete := system.create(call, args); complete {
				return status
			}
		}
	}
	return system.pass(call, args)
}

// pass replaces the process by the real runtime, with the same arguments and environment.
func (s System) pass(call oci.Call, args []string) int {
	path, err := s.realRuntime()
	if err == nil {
		err = s.Exec(path, append([]string{path}, args...), os.Environ())
	}
	report(call, err)
	return 1
}

// create restores the container if its pod has a plan. It returns false if the real runtime must create it.
func (s System) create(call oci.Call, args []string) (status int, complete bool) {
	config, err := oci.ReadConfig(call.Bundle)
	if err != nil {
		return 0, false
	}
	pod, asked := oci.RestoredPod(config)
	if !asked {
		return 0, false
	}
	installed := s.installed()
	if installed == "" {
		return 0, false
	}
	// The program that containerd's configuration names is a copy that stays when a version is installed or removed.
	if !same(installed, s.Self) {
		_ = s.Exec(installed, append([]string{Name}, args...), os.Environ())
		return 0, false
	}
	runtime, err := s.realRuntime()
	if err != nil {
		return 0, false
	}
	outcome, err := restore.Run(restore.Request{
		Call: call, Config: config, Pod: pod, Runtime: runtime, Plans: s.Plans, Marks: s.Marks, Service: s.Service, Begin: time.Now(),
	})
	switch outcome {
	case restore.Restored:
		if err := s.mark(call, restore.Unstarted(s.Plans, pod)); err != nil {
			// Without the mark the runtime would be asked to start what runs, and fail.
			report(call, err)
			return 1, true
		}
		return 0, true
	case restore.Failed:
		report(call, err)
		return 1, true
	default:
		return 0, false
	}
}

func same(path, other string) bool {
	one, err := os.Stat(path)
	two, otherErr := os.Stat(other)
	return errors.Join(err, otherErr) == nil && os.SameFile(one, two)
}

// mark records a restored container, and the file that its start removes.
func (s System) mark(call oci.Call, unstarted string) error {
	if err := os.MkdirAll(s.Marks, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Marks, call.ID), []byte(call.Root+"\n"+unstarted), 0o600)
}

// marked says if a container was restored under this runtime root.
func (s System) marked(call oci.Call) bool {
	root, _, err := s.readMark(call)
	return err == nil && root == call.Root
}

func (s System) readMark(call oci.Call) (root, unstarted string, err error) {
	text, err := os.ReadFile(filepath.Join(s.Marks, call.ID))
	root, unstarted, _ = strings.Cut(string(text), "\n")
	return root, unstarted, err
}

// started records that a restored container was started, and returns the exit status. If it could not, a container that ends
// later would be restored again, so the start fails.
func (s System) started(call oci.Call) int {
	name := filepath.Join(s.Marks, call.ID)
	_, unstarted, err := s.readMark(call)
	if err == nil {
		err = os.Remove(unstarted)
	}
	if err == nil {
		now := time.Now()
		err = os.Chtimes(name, now, now)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		report(call, fmt.Errorf("cannot record the start: %w", err))
		return 1
	}
	if _, path, err := s.readMark(call); err == nil && path == "" && unstarted != "" {
		// It was killed meanwhile.
		_ = os.WriteFile(unstarted, nil, 0o600)
	}
	return 0
}

// killed records that a restored container gets a signal. containerd sends SIGKILL to a process that runs, and no other signal
// before, if it could not complete the start, for example because the kubelet ended: such a container counts as not started. One
// that gets another signal first, or that ran for startLimit, was started. containerd also sends SIGKILL to one that has ended.
func (s System) killed(call oci.Call) {
	root, unstarted, err := s.readMark(call)
	info, statErr := os.Stat(filepath.Join(s.Marks, call.ID))
	if err != nil || statErr != nil || root != call.Root || unstarted == "" {
		return
	}
	// A start at the same time reads it after it removed the file.
	if err := s.mark(call, ""); err != nil {
		return
	}
	if isKill(call.Signal) && time.Since(info.ModTime()) < startLimit && pod.Runs(root, call.ID) {
		_ = os.WriteFile(unstarted, nil, 0o600)
	}
}

func isKill(signal string) bool {
	switch strings.ToUpper(signal) {
	case "9", "KILL", "SIGKILL":
		return true
	}
	return false
}

// forget removes what a restore left of a container that is deleted. The runtime would delete through a mount that an
// interrupted restore left in its state directory.
func (s System) forget(call oci.Call) {
	_ = os.Remove(filepath.Join(s.Marks, call.ID))
	if call.Root == "" {
		return
	}
	if _, err := os.Lstat(filepath.Join(call.Root, call.ID, restore.RootMount)); err == nil {
		_ = restore.UnmountBelow(filepath.Join(call.Root, call.ID))
	}
}

// report writes an error where the shim reads it: to the runtime's log.
func report(call oci.Call, err error) {
	if err == nil {
		return
	}
	text := Name + ": " + err.Error()
	if call.Log == "" {
		fmt.Fprintln(os.Stderr, text)
		return
	}
	file, openErr := os.OpenFile(call.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY|syscall.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if openErr != nil {
		fmt.Fprintln(os.Stderr, text)
		return
	}
	defer file.Close()
	if call.LogFormat != "json" {
		fmt.Fprintf(file, "level=error msg=%q\n", text)
		return
	}
	line, _ := json.Marshal(map[string]string{
		"level": "error", "msg": text, "time": time.Now().UTC().Format(time.RFC3339Nano),
	})
	fmt.Fprintf(file, "%s\n", line)
}
