package dump

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/files"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/guard"
	"cedana.ai/cdk/runtime/internal/pattern"
	"cedana.ai/cdk/runtime/internal/pod"
	"golang.org/x/sys/unix"
)

const (
	// configFile is CRIU's configuration, relative to the directory of the checkpoint.
	configFile = "work/criu.conf"
	// logBytes is the largest log of one dump. A dump of 3 processes writes 100 kB, one of 5000 about 50 MB.
	logBytes = 256 << 20
	// archiveBuffer joins the small writes of headers.
	archiveBuffer = 1 << 20
)

// criuConfig returns CRIU's configuration. A restore needs the same options.
func criuConfig(tcp checkpoint.TCP) string {
	lines := []string{
		// CRIU stores open files without a name in its images only up to 1 MiB by default.
		"ghost-limit 1G",
	}
	switch tcp {
	case checkpoint.TCPClose:
		// Nothing needs to be kept from changing, so the pod's firewall stays as it is.
		lines = append(lines, "tcp-close", "network-lock skip")
	case checkpoint.TCPLoopback:
		lines = append(lines, "tcp-established")
	}
	return strings.Join(lines, "\n") + "\n"
}

// freezeAndSave returns with the containers frozen, or with an error.
func (j *job) freezeAndSave(ctx context.Context, cgroups []freezer.Cgroup, entry *guard.Entry) error {
	begin := time.Now()
	if err := freezer.Freeze(ctx, cgroups); err != nil {
		return j.freezeError(err)
	}
	j.timings.Freeze = time.Since(begin).Nanoseconds()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go j.watchSpace(ctx, cancel)

	var group sync.WaitGroup
	var mutex sync.Mutex
	var first error
	slots := make(chan struct{}, workers())
	run := func(spent *int64, work func() error) {
		group.Add(1)
		go func() {
			defer group.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			err := work()
			mutex.Lock()
			defer mutex.Unlock()
			*spent = max(*spent, time.Since(begin).Nanoseconds())
			if err != nil && first == nil {
				// What fails after the end of the context is its consequence.
				if first = context.Cause(ctx); first == nil {
					first = err
				}
				cancel(first)
			}
		}()
	}
	one := make(chan struct{}, 1)
	for i := range j.containers {
		run(&j.timings.Dump, func() error {
			if j.request.TCP == checkpoint.TCPLoopback {
				// CRIU's firewall rules of two dumps in one network namespace would replace each other.
				one <- struct{}{}
				defer func() { <-one }()
			}
			return j.dump(ctx, i, entry)
		})
	}
	for i, container := range j.containers {
		name := path.Join(checkpoint.Containers, container.Name, checkpoint.RootFS)
		run(&j.timings.Pack, func() error { return j.pack(j.uppers[i], name, true, container.Name) })
	}
	for _, volume := range j.volumes {
		from := filepath.Join(j.podDirectory, checkpoint.EmptyDirs, volume)
		run(&j.timings.Pack, func() error { return j.pack(from, path.Join(checkpoint.Volumes, volume+".tar"), false, "") })
	}
	if j.shm != "" {
		run(&j.timings.Pack, func() error { return j.pack(j.shm, checkpoint.SharedMemory, false, "") })
	}
	group.Wait()
	if first != nil {
		return first
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return j.checkFrozen(cgroups)
}

// freezeError returns the *Error of a failed freeze.
func (j *job) freezeError(err error) error {
	var shared *freezer.SharedMemoryError
	if !errors.As(err, &shared) {
		return &Error{Reason: ReasonFreeze, Err: err}
	}
	failure := &Error{Reason: ReasonNotPossible, Err: shared, Remedy: "Let the child start its program or end, or create it by fork: CRIU cannot dump a process that waits in vfork."}
	for _, each := range j.containers {
		if each.Cgroup == shared.Cgroup {
			failure.Container = each.Name
		}
	}
	return failure
}

// watchSpace gives the checkpoint up before the disk is full.
func (j *job) watchSpace(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if free, err := freeBytes(j.work); err == nil && free < j.request.ReserveBytes {
			cancel(&Error{Reason: ReasonNoSpace, Err: fmt.Errorf("only %d bytes are free on the disk", free)})
			return
		}
	}
}

// criuRun is one run of CRIU.
type criuRun struct {
	// images is the absolute path of the directory of the image set, work that of the log.
	images, work string
	// parent says that the set has a directory Parent: only what changed since is dumped.
	parent bool
}

// dump lets CRIU dump one container through the OCI runtime. The container stays frozen.
func (j *job) dump(ctx context.Context, i int, entry *guard.Entry) error {
	container := j.containers[i]
	err := j.checkpoint(ctx, container, entry, criuRun{
		images: filepath.Join(j.work, checkpoint.Containers, container.Name, checkpoint.Images),
		work:   filepath.Join(j.work, "work", container.Name),
		parent: j.pre.passes[i] > 0,
	})
	if errors.Is(err, criu.ErrTimeLimit) {
		return j.deadlineError()
	}
	return err
}

// checkpoint lets CRIU run through the OCI runtime.
func (j *job) checkpoint(ctx context.Context, container pod.Container, entry *guard.Entry, run criuRun) error {
	args := []string{
		"--root", j.node.Paths.Runtime, "checkpoint", "--leave-running", "--file-locks",
		"--image-path", run.images, "--work-path", run.work,
	}
	if run.parent {
		args = append(args, "--parent-path", checkpoint.Parent)
	}
	if j.request.TCP != checkpoint.TCPRefuse {
		// runc overrides this option of CRIU's configuration by the value of its own.
		args = append(args, "--tcp-skip-in-flight")
	}
	if j.request.TCP == checkpoint.TCPLoopback {
		args = append(args, "--tcp-established")
	}
	if container.Spec.Process.Terminal {
		args = append(args, "--shell-job")
	}
	return j.runCRIU(ctx, container, entry, run.work, j.node.Runtime, append(args, container.ID)...)
}

// dumpLog is the name of CRIU's log in the directory of a run.
const dumpLog = "dump.log"

// runCRIU runs CRIU, or the OCI runtime that runs it, with its log in a directory. Its errors but that of a time limit are of the
// container.
func (j *job) runCRIU(ctx context.Context, container pod.Container, entry *guard.Entry, work, program string, args ...string) error {
	var output strings.Builder
	command := exec.Command(program, args...)
	command.Env = append(criu.Environment(entry.Mark, filepath.Join(j.work, configFile)), "PATH="+filepath.Dir(j.node.CRIU)+":"+os.Getenv("PATH"))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: entry.Group}
	command.Stdout, command.Stderr = &output, &output
	log := filepath.Join(work, dumpLog)
	err := criu.Run(ctx, command, entry.Mark, log, j.limits())
	if err == nil || errors.Is(err, criu.ErrTimeLimit) {
		return err
	}
	failure := &Error{Reason: ReasonDump, Container: container.Name, Err: err}
	if text := criu.FirstError(log); text != "" {
		failure.Err, failure.Remedy = errors.New(text), criu.Explain(text).Remedy
	} else if text := strings.TrimSpace(output.String()); text != "" {
		failure.Err = fmt.Errorf("%w: %.300s", err, text)
	}
	if errors.Is(err, criu.ErrLogLimit) {
		failure.Err = fmt.Errorf("%w (%v)", err, failure.Err)
	}
	return failure
}

// ofCRIU matches the names of directories that CRIU creates in the container's /tmp or root for a moment of the dump.
var ofCRIU = pattern.New(`^cr-tmpfs\.[A-Za-z0-9]{6}$`)

// pack writes the archive of a directory.
func (j *job) pack(from, to string, overlay bool, container string) error {
	file, err := j.root.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return &Error{Reason: ReasonPack, Container: container, Err: err}
	}
	defer file.Close()
	buffered := bufio.NewWriterSize(struct{ io.Writer }{file}, archiveBuffer)
	_, err = files.Pack(from, buffered, files.PackOptions{Overlay: overlay, Skip: ofCRIU().MatchString, Limits: files.Limits{Bytes: j.request.MaxBytes}})
	if err = errors.Join(err, buffered.Flush(), file.Close()); err == nil {
		return nil
	}
	failure := &Error{Reason: ReasonPack, Container: container, Err: fmt.Errorf("%s: %w", path.Base(to), err)}
	if errors.Is(err, files.ErrTooLarge) {
		failure.Reason = ReasonQuota
	}
	return failure
}

// complete reads the files for their checksums, writes the metadata, and gives the directory its name.
func (j *job) complete(metadata *checkpoint.Checkpoint) error {
	begin := time.Now()
	// Logs of CRIU are no part of the checkpoint.
	if err := j.root.RemoveAll("work"); err != nil {
		return err
	}
	if err := describe(j.root, metadata, j.volumes, j.shm != ""); err != nil {
		return err
	}
	j.timings.Checksum = time.Since(begin).Nanoseconds()
	if err := checkpoint.Write(j.root, metadata); err != nil {
		return err
	}
	if j.request.Stop {
		directory, err := j.root.Open(".")
		if err != nil {
			return err
		}
		err = unix.Syncfs(int(directory.Fd()))
		if err = errors.Join(err, directory.Close()); err != nil {
			return err
		}
	}
	if err := os.Rename(j.work, filepath.Join(j.node.Checkpoints, j.request.UID)); err != nil || !j.request.Stop {
		return err
	}
	// After a loss of power the directory must not have the name of an incomplete one: those are deleted.
	return syncDirectory(j.node.Checkpoints)
}

func syncDirectory(name string) error {
	directory, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// describe adds all files of the directory to the metadata.
func describe(root *os.Root, metadata *checkpoint.Checkpoint, volumes []string, shm bool) error {
	names := []string{}
	for _, each := range metadata.Containers {
		directory := path.Join(checkpoint.Containers, each.Name)
		names = append(names, path.Join(directory, checkpoint.RootFS))
		images, err := namesIn(root, path.Join(directory, checkpoint.Images))
		if err != nil {
			return err
		}
		names = append(names, images...)
	}
	for _, each := range volumes {
		names = append(names, path.Join(checkpoint.Volumes, each+".tar"))
	}
	if shm {
		names = append(names, checkpoint.SharedMemory)
	}
	slices.Sort(names)
	var mutex sync.Mutex
	archives := map[string]checkpoint.Archive{}
	err := checkpoint.Each(names, workers(), func(name string) error {
		stored, err := checkpoint.ArchiveOf(root, name)
		mutex.Lock()
		defer mutex.Unlock()
		archives[name] = stored
		return err
	})
	if err != nil {
		return err
	}
	for i := range metadata.Containers {
		container := &metadata.Containers[i]
		for _, name := range names {
			if relative, found := strings.CutPrefix(name, path.Join(checkpoint.Containers, container.Name)+"/"); found {
				container.Files = append(container.Files, checkpoint.FileEntry{Path: relative, Archive: archives[name]})
			}
		}
	}
	for _, each := range volumes {
		metadata.Volumes = append(metadata.Volumes, checkpoint.Volume{Name: each, Archive: archives[path.Join(checkpoint.Volumes, each+".tar")]})
	}
	if shm {
		archive := archives[checkpoint.SharedMemory]
		metadata.SharedMemory = &archive
	}
	return nil
}

// namesIn returns the paths of the files of an image set and of those that it depends on.
func namesIn(root *os.Root, set string) ([]string, error) {
	opened, err := root.Open(set)
	if err != nil {
		return nil, err
	}
	list, err := opened.Readdirnames(-1)
	if err = errors.Join(err, opened.Close()); err != nil {
		return nil, err
	}
	names := []string{}
	for _, name := range list {
		if name != checkpoint.Parent {
			names = append(names, path.Join(set, name))
			continue
		}
		more, err := namesIn(root, path.Join(set, name))
		if err != nil {
			return nil, err
		}
		names = append(names, more...)
	}
	return names, nil
}
