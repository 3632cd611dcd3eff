package service

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/plan"
)

// large returns metadata of a checkpoint with so many bytes of memory. They are only named.
func large(metadata part, size int64) part {
	return part{data: bytes.Replace(metadata.data, []byte(`"size":1,`), fmt.Appendf(nil, `"size":%d,`, size), 1)}
}

func TestRestoresAtTheSameTimeKeepTheReserve(t *testing.T) {
	f := start(t)
	metadata, _ := f.exported(t)
	free, err := freeBytes(f.dir)
	must(t, err)
	// Four fit. Other programs may use or free up to a twentieth of the disk meanwhile.
	one, reserve := large(metadata, free/10), free/2+free/20
	var admitted atomic.Int32
	var done sync.WaitGroup
	for i := range 24 {
		done.Go(func() {
			_, reason := f.stage(t, fmt.Sprintf("pod-%d", i), parts.Metadata, one, fmt.Sprintf(`,"reserveBytes":%d`, reserve))
			switch reason {
			case "":
				admitted.Add(1)
			case dump.ReasonNoSpace:
			default:
				t.Errorf("got %s", reason)
			}
		})
	}
	done.Wait()
	if admitted.Load() != 4 {
		t.Errorf("%d restores were admitted, want 4", admitted.Load())
	}
}

func TestPromisesSurviveTheService(t *testing.T) {
	f := start(t)
	metadata, _ := f.exported(t)
	free, err := freeBytes(f.dir)
	must(t, err)
	one := large(metadata, free/2-free/20)
	f.wantStage(t, "one", parts.Metadata, one, "", true, "")
	f.stop()
	next, err := New(t.Context(), f.node, f.plans, nil)
	must(t, err)
	asked := promise{free/2 + free/20, defaultStageReserve}
	if err := next.space("two", asked); failureOf(err).Reason != dump.ReasonNoSpace {
		t.Errorf("got %v although the space was promised", err)
	}
	// It replaces its own.
	if err := next.space("one", asked); err != nil {
		t.Error(err)
	}
	// Nothing of a staging that is gone is promised.
	must(t, os.RemoveAll(filepath.Join(f.plans, plan.StagingPrefix+"one")))
	last, err := New(t.Context(), f.node, f.plans, nil)
	must(t, err)
	if err := last.space("two", asked); err != nil {
		t.Error(err)
	}
}

func TestAPartIsNotWrittenIntoTheReserve(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
	// As if others had filled the disk since.
	f.restores.promised["pod"] = promise{1, 1 << 62}
	f.wantStage(t, "pod", images, set, "", false, dump.ReasonNoSpace)
	f.restores.promised["pod"] = promise{1, 0}
	f.wantStage(t, "pod", images, set, "", true, "")
	if len(f.restores.promised) > 0 {
		t.Errorf("promised %v", f.restores.promised)
	}
}
