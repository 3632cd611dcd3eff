package dump

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/guard"
)

// PreDumpMode says whether memory is dumped before the freeze.
type PreDumpMode string

const (
	// PreDumpAuto dumps memory before the freeze where that shortens the standstill.
	PreDumpAuto PreDumpMode = "auto"
	// PreDumpOff never does.
	PreDumpOff PreDumpMode = "off"
)

// preDumpBytes is the least memory of a container for a pass, and the least memory that must have changed for another one.
const preDumpBytes = 128 << 20

// changed is changedBytes. Tests replace it: not all kernels track memory.
var changed = changedBytes

// Reasons of checkpoint.PreDump.
const (
	reasonOff          = "Off"
	reasonSmall        = "MemoryTooSmall"
	reasonNotTracked   = "MemoryNotTracked"
	reasonPreDumpSpace = "InsufficientSpace"
	reasonPreDumpQuota = "QuotaExceeded"
	reasonPreDump      = "PreDumpFailed"
)

// preDumped is what the pre-dumps of a checkpoint did.
type preDumped struct {
	checkpoint.PreDump
	// passes are the numbers of passes of the containers, in their order.
	passes []int
	// standstills are how long the passes stopped them.
	standstills []time.Duration
}

// maxMessage bounds the message of a reason, in bytes.
const maxMessage = 300

func (p *preDumped) skip(reason, format string, args ...any) {
	message := strings.Map(func(r rune) rune {
		if r < 32 || r == 127 {
			return ' '
		}
		return r
	}, fmt.Sprintf(format, args...))
	p.Reason, p.Message = reason, strings.ToValidUTF8(message[:min(len(message), maxMessage)], "")
}

// preDump dumps the memory of large containers while they run, so that the dump of the frozen ones writes only what changed
// since. It fails only if the context ended or a container cannot be thawed: otherwise what failed is dumped as a whole.
func (j *job) preDump(ctx context.Context, cgroups []freezer.Cgroup) error {
	j.pre = preDumped{passes: make([]int, len(j.containers)), standstills: make([]time.Duration, len(j.containers))}
	large := j.large(ctx)
	if len(large) == 0 {
		return nil
	}
	failure, err := j.guardedPasses(ctx, cgroups, large)
	if err != nil {
		return err
	}
	if failure != nil {
		j.pre.skip(reasonPreDump, "%v", failure)
		// What the failed passes wrote was removed.
		if err := j.checkSpace(); err != nil {
			return err
		}
	}
	for i := range j.containers {
		j.pre.Passes = max(j.pre.Passes, j.pre.passes[i])
		j.pre.FrozenNanoseconds = max(j.pre.FrozenNanoseconds, j.pre.standstills[i].Nanoseconds())
	}
	return nil
}

// large returns the indexes of the containers for which a pre-dump pays. It notes the reason if there is none.
func (j *job) large(ctx context.Context) []int {
	if j.request.PreDump == PreDumpOff {
		j.pre.skip(reasonOff, "pre-dumps are turned off")
		return nil
	}
	large, all, written := []int{}, int64(0), int64(0)
	for i, each := range j.containers {
		least, most := each.MemoryBytes()
		all += most
		// Memory of a GPU becomes memory of the process after the pre-dump, and CRIU cannot dump one with open devices.
		if least >= preDumpBytes && j.gpu.of(each.Name) == nil {
			large, written = append(large, i), written+most
		}
	}
	free, err := freeBytes(j.work)
	switch {
	case len(large) == 0:
		j.pre.skip(reasonSmall, "no container without a GPU has %d bytes of memory", preDumpBytes)
	case err != nil:
		j.pre.skip(reasonPreDump, "%v", err)
	// All of it can change before the freeze.
	case j.request.MaxBytes > 0 && all+written > j.request.MaxBytes:
		j.pre.skip(reasonPreDumpQuota, "twice the memory is %d bytes, more than the limit of %d", all+written, j.request.MaxBytes)
	case free < all+written+j.request.ReserveBytes:
		j.pre.skip(reasonPreDumpSpace, "twice the memory is %d bytes, and the disk has %d bytes free", all+written, free)
	case !criu.Feature(ctx, j.node.CRIU, criu.FeatureMemoryTracking):
		j.pre.skip(reasonNotTracked, "the kernel does not track changed memory (CONFIG_MEM_SOFT_DIRTY)")
	default:
		return large
	}
	return nil
}

// guardedPasses runs the passes of the containers with these indexes, one after the other: they compete with the pod for its
// processors. Nothing is frozen afterwards. The failure is the first one of a pass, which ends the others.
func (j *job) guardedPasses(ctx context.Context, cgroups []freezer.Cgroup, large []int) (failure, err error) {
	limit := time.Duration(j.request.FreezeMilliseconds) * time.Millisecond
	entry, err := guard.NewEntry(j.request.UID, j.work, cgroups)
	if err != nil {
		return err, nil
	}
	watch, err := guard.Begin(j.node.Journal, entry, limit+thawAllowance, j.node.Watchdog[0], j.node.Watchdog[1:]...)
	if err != nil {
		return err, nil
	}
	// CRIU can hang while the processes stand still, so a pre-dump has the same limit.
	j.deadline = time.Now().Add(limit)
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go j.watchSpace(inner, cancel)
	go func() {
		select {
		case <-watch.Died():
			cancel(errors.New("the watchdog ended"))
		case <-inner.Done():
		}
	}()
	for _, i := range large {
		if failure = context.Cause(inner); failure == nil {
			failure = j.passes(inner, i, &watch.Entry)
		}
		if failure != nil {
			break
		}
	}
	cancel(nil)
	release := failure != nil
	for _, each := range cgroups {
		freezing, err := each.Freezing()
		release = release || freezing || err != nil
	}
	if release {
		if err := guard.Release(context.WithoutCancel(ctx), &watch.Entry); err != nil {
			return nil, errors.Join(&Error{Reason: ReasonFreeze, Err: fmt.Errorf("cannot thaw: %w", err)}, watch.End())
		}
	}
	// Also when the watchdog acted: each pass that succeeded is whole.
	if err := watch.End(); err != nil && failure == nil && !errors.Is(err, guard.ErrReleased) {
		failure = err
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, reasonOf(ctx, cause)
	}
	return failure, nil
}

// passes runs the passes of one container. After a failure none counts: the kernel may have forgotten what changed before it.
func (j *job) passes(ctx context.Context, i int, entry *guard.Entry) error {
	container := j.containers[i]
	images := filepath.Join(checkpoint.Containers, container.Name, checkpoint.Images)
	for pass := 1; pass <= checkpoint.MaxPasses; pass++ {
		if pass > 1 {
			last, _ := container.MemoryBytes()
			if changed, err := changed(container); err != nil || !pays(changed, last) {
				return nil
			}
		}
		if err := j.pass(ctx, i, pass, images, entry); err != nil {
			j.pre.passes[i] = 0
			for _, each := range []string{checkpoint.Parent, before} {
				err = errors.Join(err, j.root.RemoveAll(path.Join(images, each)))
			}
			return err
		}
		j.pre.passes[i] = pass
	}
	return nil
}

// pays says if a pass pays that writes what changed, after one that wrote the last bytes: it must be large, and shrink.
func pays(changed, last int64) bool { return changed >= preDumpBytes && changed <= last/2 }

// before is the name of the set of the pass before, while that of the next one is created.
const before = "before"

// pass runs one pre-dump. It writes to the directory of the parent; that of the pass before becomes its parent.
func (j *job) pass(ctx context.Context, i, pass int, images string, entry *guard.Entry) error {
	container := j.containers[i]
	parent := path.Join(images, checkpoint.Parent)
	if pass > 1 {
		moved := path.Join(images, before)
		if err := j.root.Rename(parent, moved); err != nil {
			return err
		}
		if err := j.root.Mkdir(parent, 0o700); err != nil {
			return err
		}
		if err := j.root.Rename(moved, path.Join(parent, checkpoint.Parent)); err != nil {
			return err
		}
	}
	work := path.Join("work", container.Name, fmt.Sprintf("pass-%d", pass))
	for _, each := range []string{parent, work} {
		if err := j.root.MkdirAll(each, 0o700); err != nil {
			return err
		}
	}
	spent, err := j.dumpMemory(ctx, container, entry, criuRun{
		images: filepath.Join(j.work, parent), work: filepath.Join(j.work, work), parent: pass > 1,
	})
	j.pre.standstills[i] += spent
	return err
}
