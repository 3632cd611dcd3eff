package restore

import (
	"os"
	"path/filepath"
	"testing"

	"cedana.ai/cdk/runtime/internal/lazy"
	"cedana.ai/cdk/runtime/internal/plan"
)

// As when the server of memory and its keeper are killed at once: the process reads zeros and ends before the host service looks.
func TestAContainerWhoseMemoryWasNotLoadedIsNoOrdinaryRestart(t *testing.T) {
	for phase, want := range map[string]struct{ decision, reason string }{
		lazy.Loading: {plan.Fresh, plan.ReasonMemory},
		lazy.Loaded:  {plan.Restore, ""},
	} {
		t.Run(phase, func(t *testing.T) {
			f := lay(t, "true", nil)
			f.expect(t, "app", "1", Restored)
			f.start(t, "app")
			f.expect(t, "other", "2", Restored)
			f.start(t, "other")
			// No process has the lock.
			work := filepath.Join(f.request.Plans, "pod-1", plan.WorkDirectory, "app")
			must(t, os.WriteFile(filepath.Join(work, "lazy.lock"), nil, 0o600))
			order := lazy.Order{Plans: f.request.Plans, PodUID: "pod-1", Container: "app", ID: "1", Cgroup: f.state(t).Containers["app"].Cgroup}
			must(t, (&lazy.Status{Order: order, Phase: phase}).Save(work))
			f.expect(t, "app", "3", Fresh)
			if state := f.state(t); state.Decision != want.decision || state.Reason != want.reason {
				t.Errorf("got %+v", state)
			}
			if want.decision == plan.Fresh {
				f.expect(t, "other", "4", Fresh)
			}
		})
	}
}
