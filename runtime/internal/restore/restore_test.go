package restore

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/files"
	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// fixture is a pod with the containers app and other, which share the emptyDir data, and a runtime that is a script.
type fixture struct {
	directory, volume string
	specs             map[string]*specs.Spec
	request           Request
	// stop sets the pod's annotation.
	stop bool
	// waited is the time since the call of the wrapper.
	waited time.Duration
}

// lay creates the pod, a checkpoint of both containers and a plan. The runtime runs restore in `restore`, and records
// its calls.
func lay(t *testing.T, restore string, change func(*plan.Plan, *checkpoint.Checkpoint)) *fixture {
	t.Helper()
	directory := t.TempDir()
	f := &fixture{directory: directory, volume: filepath.Join(directory, "pods/pod-1", emptyDir, "data"), specs: map[string]*specs.Spec{}}
	write := func(name, text string, mode os.FileMode) {
		must(t, os.MkdirAll(filepath.Join(directory, filepath.Dir(name)), 0o700))
		must(t, os.WriteFile(filepath.Join(directory, name), []byte(text), mode))
	}
	must(t, os.MkdirAll(f.volume, 0o700))
	write("restored/file", "restored", 0o600)
	write("runtime", "#!/bin/sh\necho \"$@\" >> "+directory+"/calls\ncase \" $* \" in *' restore '*) "+restore+";; esac\n", 0o755)
	node, err := ThisNode()
	must(t, err)
	base := filepath.Join(directory, "plans")
	inside := filepath.Join(base, "pod-1/cp")
	must(t, os.MkdirAll(filepath.Join(inside, checkpoint.Volumes), 0o700))
	must(t, os.Chmod(base, 0o700))
	root, err := os.OpenRoot(inside)
	must(t, err)
	defer root.Close()
	archive, err := os.Create(filepath.Join(inside, checkpoint.Volumes, "data.tar"))
	must(t, err)
	_, err = files.Pack(filepath.Join(directory, "restored"), archive, files.PackOptions{})
	must(t, err)
	must(t, archive.Close())
	stored, err := checkpoint.ArchiveOf(root, "volumes/data.tar")
	must(t, err)
	c := &checkpoint.Checkpoint{
		Version: 1, UID: "cp", CreatedAt: time.Now(), TCP: checkpoint.TCPClose, Pod: checkpoint.Pod{UID: "p", Namespace: "n", Name: "p"},
		Node: checkpoint.Node{
			Kernel: "k", Architecture: node.Architecture, Cgroup: node.Cgroup, CPUFeatures: node.CPUFeatures, CRIU: "4.2.1", Runc: "1.3.6",
		},
		Volumes: []checkpoint.Volume{{Name: "data", Archive: stored}},
	}
	for _, name := range []string{"app", "other"} {
		spec := sample()
		spec.Mounts[1].Source = f.volume
		// No process of this machine is in it.
		spec.Linux.CgroupsPath = "/cedana-test-none/" + name
		f.specs[name] = spec
		image := filepath.Join(checkpoint.Containers, name, "images/inventory.img")
		must(t, os.MkdirAll(filepath.Join(inside, filepath.Dir(image)), 0o700))
		must(t, os.WriteFile(filepath.Join(inside, image), nil, 0o600))
		stored, err := checkpoint.ArchiveOf(root, image)
		must(t, err)
		core := filepath.Join(checkpoint.Containers, name, "images/core-1.img")
		must(t, os.WriteFile(filepath.Join(inside, core), coreOf(spec), 0o600))
		credentials, err := checkpoint.ArchiveOf(root, core)
		must(t, err)
		c.Containers = append(c.Containers, checkpoint.Container{
			Name: name, Security: checkpoint.SecurityOf(spec), Mounts: checkpoint.MountsOf(spec, filepath.Join(directory, "pods/pod-1"), []string{"data"}),
			Files: []checkpoint.FileEntry{{Path: "images/core-1.img", Archive: credentials}, {Path: "images/inventory.img", Archive: stored}},
		})
	}
	p := plan.Plan{PodUID: "pod-1", Checkpoint: "cp", Deadline: time.Now().Add(time.Hour), Fallback: plan.FallbackFresh, Restart: plan.RestartFresh}
	if change != nil {
		change(&p, c)
	}
	if len(c.Containers) == 1 {
		must(t, root.RemoveAll(filepath.Join(checkpoint.Containers, "other")))
	}
	must(t, checkpoint.Write(root, c))
	must(t, plan.Write(filepath.Join(base, "pod-1"), p))
	f.request = Request{Runtime: filepath.Join(directory, "runtime"), Plans: base, Marks: filepath.Join(directory, "marks")}
	return f
}

// create runs the creation of a container with this ID.
func (f *fixture) create(t *testing.T, name, id string) (Outcome, error) {
	t.Helper()
	request := f.request
	request.Begin = time.Now().Add(-f.waited)
	request.Pod = oci.Pod{UID: "pod-1", Container: name, Stop: f.stop}
	bundle := filepath.Join(f.directory, "bundle-"+id)
	must(t, os.MkdirAll(filepath.Join(bundle, "rootfs"), 0o700))
	request.Call = oci.Call{Command: "create", Root: filepath.Join(f.directory, "state"), Bundle: bundle, PIDFile: filepath.Join(bundle, "pid"), ID: id}
	var err error
	request.Config, err = json.Marshal(f.specs[name])
	must(t, err)
	return Run(request)
}

func (f *fixture) state(t *testing.T) *plan.State {
	t.Helper()
	pod, err := plan.Open(f.request.Plans, "pod-1")
	must(t, err)
	defer pod.Close()
	state, err := pod.State()
	must(t, err)
	return state
}

// content returns the names in the volume.
func (f *fixture) content(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(f.volume)
	must(t, err)
	names := []string{}
	for _, each := range entries {
		names = append(names, each.Name())
	}
	return names
}

func (f *fixture) calls(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.directory, "calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func (f *fixture) expect(t *testing.T, name, id string, want Outcome) {
	t.Helper()
	if got, err := f.create(t, name, id); got != want || (err != nil) != (want == Failed) {
		t.Fatalf("%s: got %v, %v, want %v; %+v", name, got, err, want, f.state(t))
	}
}

// start is the call of the runtime that follows a creation.
func (f *fixture) start(t *testing.T, name string) {
	t.Helper()
	must(t, os.Remove(Unstarted(f.request.Plans, oci.Pod{UID: "pod-1", Container: name})))
}

func TestAllContainersAreRestoredWithTheirVolumeOnce(t *testing.T) {
	f := lay(t, "true", nil)
	f.expect(t, "app", "1", Restored)
	if got := f.content(t); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the volume has %q", got)
	}
	// What the first container writes must not be replaced for the second one.
	must(t, os.WriteFile(filepath.Join(f.volume, "file"), []byte("written"), 0o600))
	f.expect(t, "other", "2", Restored)
	if text, _ := os.ReadFile(filepath.Join(f.volume, "file")); string(text) != "written" {
		t.Errorf("the file has %q", text)
	}
	work := filepath.Join(f.request.Plans, "pod-1/work/app")
	want := "--root " + f.directory + "/state --log " + work + "/runtime.log --log-format json restore --detach --bundle " + f.directory +
		"/bundle-1 --image-path " + f.request.Plans + "/pod-1/cp/containers/app/images --work-path " + work + " --file-locks --pid-file " + f.directory + "/bundle-1/pid 1\n"
	if calls := f.calls(t); !strings.HasPrefix(calls, want) {
		t.Errorf("called\n%s, want\n%s", calls, want)
	}
}

func TestAContainerThatIsNotInTheCheckpointStartsFresh(t *testing.T) {
	f := lay(t, "true", nil)
	f.specs["init"] = sample()
	f.expect(t, "init", "1", Fresh)
	f.expect(t, "app", "2", Restored)
}

func TestAFailedRestoreLeavesVolumesAsBefore(t *testing.T) {
	f := lay(t, "echo '(00.1) Error (criu/mem.c:1): no page' > $(echo $* | sed 's/.*work-path \\([^ ]*\\).*/\\1/')/restore.log; exit 1", nil)
	must(t, os.WriteFile(filepath.Join(f.volume, "before"), nil, 0o600))
	f.expect(t, "app", "1", Fresh)
	if got := f.content(t); !slices.Equal(got, []string{"before"}) {
		t.Errorf("the volume has %q", got)
	}
	state := f.state(t)
	if state.Decision != plan.Fresh || state.Reason != plan.ReasonCRIU || !strings.HasSuffix(state.Message, "mem.c:1: no page") {
		t.Errorf("got %+v", state)
	}
	if !strings.Contains(f.calls(t), "delete --force 1\n") {
		t.Errorf("the runtime's state is left: %s", f.calls(t))
	}
	f.expect(t, "other", "2", Fresh)
	if strings.Count(f.calls(t), " restore ") != 1 {
		t.Errorf("restored in spite of the decision: %s", f.calls(t))
	}
}

func TestAPlanCanDemandThatThePodFails(t *testing.T) {
	f := lay(t, "exit 1", func(p *plan.Plan, _ *checkpoint.Checkpoint) { p.Fallback = plan.FallbackFail })
	f.expect(t, "app", "1", Failed)
	f.expect(t, "app", "2", Failed)
	f.expect(t, "other", "3", Failed)
}

func TestAPodCanDemandThatItDoesNotStartFresh(t *testing.T) {
	f := lay(t, "exit 1", nil)
	f.stop = true
	f.expect(t, "app", "1", Failed)
	f.expect(t, "other", "2", Failed)
	if state := f.state(t); state.Decision != plan.Fail || state.Reason != plan.ReasonCRIU {
		t.Errorf("got %+v", state)
	}
}

// withoutPlan puts the plan of a pod aside, as if the wait for it was over. The returned function brings it back.
func (f *fixture) withoutPlan(t *testing.T) (bring func()) {
	t.Helper()
	published, aside := filepath.Join(f.request.Plans, "pod-1"), filepath.Join(f.request.Plans, ".staging-pod-1")
	must(t, os.Rename(published, aside))
	f.waited = waitLimit + time.Second
	return func() {
		must(t, os.Rename(aside, published))
		f.waited = 0
	}
}

func TestAPodWithoutAPlanStartsFreshForGood(t *testing.T) {
	f := lay(t, "true", nil)
	f.withoutPlan(t)
	f.expect(t, "app", "1", Fresh)
	if state := f.state(t); state.Decision != plan.Fresh || state.Reason != plan.ReasonNoPlan {
		t.Errorf("got %+v", state)
	}
	f.waited = 0
	f.expect(t, "other", "2", Fresh)
}

func TestAPodThatMustNotStartFreshWaitsForItsPlanAgain(t *testing.T) {
	f := lay(t, "true", nil)
	bring := f.withoutPlan(t)
	f.stop = true
	for _, id := range []string{"1", "2"} {
		outcome, err := f.create(t, "app", id)
		if outcome != Failed || err == nil || err.Error() != "PlanMissing: no plan came within 1m0s; the pod is not started, because of its annotation cedana.ai/restore-fallback: stop" {
			t.Fatalf("got %v, %v", outcome, err)
		}
	}
	bring()
	f.expect(t, "app", "3", Restored)
	f.expect(t, "other", "4", Restored)
}

func TestAnInitContainerDoesNotWaitForThePlan(t *testing.T) {
	f := lay(t, "true", nil)
	f.specs["init"] = sample()
	bring := f.withoutPlan(t)
	// What is not the checkpoint can come before it.
	other := filepath.Join(f.request.Plans, plan.StagingPrefix+"pod-1", plan.BackupDirectory)
	must(t, os.Mkdir(other, 0o700))
	f.expect(t, "init", "1", Fresh)
	must(t, os.Remove(other))
	// Nothing was decided for the other containers.
	bring()
	f.expect(t, "app", "2", Restored)
	f.expect(t, "other", "3", Restored)

	for name, each := range map[string]struct {
		container string
		stop      bool
		change    func(metadata string) error
	}{
		"it is part of the checkpoint":     {"app", false, nil},
		"the pod must not start without":   {"init", true, nil},
		"there is no metadata yet":         {"init", false, os.Remove},
		"the metadata is not complete yet": {"init", false, func(name string) error { return os.Truncate(name, 100) }},
	} {
		t.Run("waits if "+name, func(t *testing.T) {
			f := lay(t, "true", nil)
			f.specs["init"] = sample()
			f.withoutPlan(t)
			f.stop = each.stop
			if each.change != nil {
				must(t, each.change(filepath.Join(f.request.Plans, plan.StagingPrefix+"pod-1/cp", checkpoint.File)))
			}
			if outcome, err := f.create(t, each.container, "1"); each.stop != (outcome == Failed) {
				t.Errorf("got %v, %v", outcome, err)
			}
			if !each.stop && f.state(t).Reason != plan.ReasonNoPlan {
				t.Errorf("it did not wait: %+v", f.state(t))
			}
		})
	}
}

func TestADeclinedRestore(t *testing.T) {
	for _, each := range []struct {
		decision string
		stop     bool
		want     Outcome
	}{{plan.Fresh, false, Fresh}, {plan.Fresh, true, Failed}, {plan.Fail, false, Failed}, {plan.Fail, true, Failed}} {
		f := lay(t, "true", nil)
		f.withoutPlan(t)
		// The wrapper must not wait for a plan.
		f.waited, f.stop = 0, each.stop
		must(t, plan.Decline(f.request.Plans, "pod-1", each.decision, "CheckpointInvalid", "it is gone", time.Now()))
		for id, name := range map[string]string{"1": "app", "2": "other"} {
			outcome, err := f.create(t, name, id)
			if outcome != each.want || (err != nil) != (each.want == Failed) || err != nil && !strings.Contains(err.Error(), "CheckpointInvalid: it is gone") {
				t.Errorf("%+v, %s: got %v, %v", each, name, outcome, err)
			}
		}
		// An annotation that comes after the start keeps no container from starting again.
		if f.stop = true; each.want == Fresh {
			f.expect(t, "app", "3", Fresh)
		}
	}
}

func TestThePolicyOfALimit(t *testing.T) {
	f := lay(t, "sleep 1000 & sleep 1000", func(p *plan.Plan, _ *checkpoint.Checkpoint) { p.RestoreSeconds = 1 })
	f.expect(t, "app", "1", Fresh)
	if state := f.state(t); state.Reason != plan.ReasonLimit {
		t.Errorf("got %+v", state)
	}
	if left := descendants(os.Getpid()); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

func TestNothingIsWrittenBeforeARefusal(t *testing.T) {
	for reason, change := range map[string]func(*plan.Plan, *checkpoint.Checkpoint){
		plan.ReasonDeadline:     func(p *plan.Plan, _ *checkpoint.Checkpoint) { p.Deadline = time.Now().Add(-time.Second) },
		plan.ReasonIncompatible: func(_ *plan.Plan, c *checkpoint.Checkpoint) { c.Node.CPUFeatures = []string{"avx10_test"} },
	} {
		f := lay(t, "true", change)
		must(t, os.WriteFile(filepath.Join(f.volume, "before"), nil, 0o600))
		f.expect(t, "app", "1", Fresh)
		if state := f.state(t); state.Reason != reason {
			t.Errorf("%s: got %+v", reason, state)
		}
		if got, calls := f.content(t), f.calls(t); !slices.Equal(got, []string{"before"}) || calls != "" {
			t.Errorf("%s: the volume has %q, the runtime was called: %s", reason, got, calls)
		}
	}
}

func TestADamagedCheckpointIsRefused(t *testing.T) {
	f := lay(t, "true", nil)
	must(t, os.WriteFile(filepath.Join(f.request.Plans, "pod-1/cp/volumes/data.tar"), []byte("x"), 0o600))
	f.expect(t, "app", "1", Fresh)
	if state := f.state(t); state.Reason != plan.ReasonInvalidPlan || f.calls(t) != "" {
		t.Errorf("got %+v; %s", state, f.calls(t))
	}
	f.expect(t, "other", "2", Fresh)
}

func TestTheSecondContainerDecidesForTheFirst(t *testing.T) {
	f := lay(t, "true", nil)
	f.expect(t, "app", "1", Restored)
	f.specs["other"].Process.User.UID = 0
	f.expect(t, "other", "2", Fresh)
	state := f.state(t)
	if state.Decision != plan.Fresh || state.Containers["app"].Phase != plan.Failed || len(f.content(t)) > 0 {
		t.Errorf("got %+v; the volume has %q", state, f.content(t))
	}
	f.expect(t, "app", "3", Fresh)
}

// phases returns the phases of the containers, by name.
func (f *fixture) phases(t *testing.T) string {
	t.Helper()
	all := []string{}
	for name, each := range f.state(t).Containers {
		all = append(all, name+" "+each.Phase)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// freshTwice expects that a container that is interrupted once more starts fresh, and the other one too.
func (f *fixture) freshTwice(t *testing.T, name, other string) {
	t.Helper()
	f.expect(t, name, "fresh-1", Fresh)
	state := f.state(t)
	if state.Decision != plan.Fresh || state.Reason != plan.ReasonInterrupted || len(f.content(t)) > 0 {
		t.Errorf("got %+v; the volume has %q", state, f.content(t))
	}
	f.expect(t, other, "fresh-2", Fresh)
}

// As when containerd's shim is killed between the restores of two containers: a pod of a fresh and a restored container
// never existed.
func TestAContainerThatEndsBeforeAllAreRestored(t *testing.T) {
	f := lay(t, "true", nil)
	f.expect(t, "app", "1", Restored)
	f.start(t, "app")
	must(t, os.WriteFile(filepath.Join(f.volume, "later"), nil, 0o600))
	f.expect(t, "app", "2", Restored)
	if got := f.content(t); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the volume has %q", got)
	}
	f.start(t, "app")
	f.freshTwice(t, "app", "other")
	if calls := f.calls(t); strings.Count(calls, " restore ") != 2 {
		t.Errorf("called %s", calls)
	}
}

// As when the shim is killed after the second restore, before the start: the first container is created again first.
func TestAContainerThatEndsBeforeAllAreStarted(t *testing.T) {
	f := lay(t, "true", nil)
	both := func(app, other string) {
		f.expect(t, "app", app, Restored)
		f.start(t, "app")
		f.expect(t, "other", other, Restored)
	}
	both("1", "2")
	both("3", "4")
	f.freshTwice(t, "app", "other")

	f = lay(t, "true", nil)
	both("1", "2")
	both("3", "4")
	f.start(t, "other")
	if got := f.phases(t); got != "app Restored, other Restored" || f.state(t).Rounds != 1 {
		t.Errorf("got %s, %+v", got, f.state(t))
	}
	// It was restored for good, and ended.
	f.expect(t, "app", "5", Fresh)
	if state := f.state(t); state.Decision != plan.Restore {
		t.Errorf("got %+v", state)
	}
}

// As when the kubelet is killed between the restore and the start: containerd then ends the process.
func TestARestoredContainerThatWasNotStarted(t *testing.T) {
	f := lay(t, "true", nil)
	f.expect(t, "app", "1", Restored)
	f.start(t, "app")
	f.expect(t, "other", "2", Restored)
	must(t, os.WriteFile(filepath.Join(f.volume, "later"), nil, 0o600))
	// The first one went on, and saw what the second one did: it is ended, and restored again.
	f.expect(t, "other", "3", Restored)
	if got := f.phases(t); got != "other Restored" || !slices.Equal(f.content(t), []string{"file"}) {
		t.Errorf("got %s; the volume has %q", got, f.content(t))
	}
	f.start(t, "other")
	f.expect(t, "app", "4", Restored)
	f.freshTwice(t, "app", "other")

	f = lay(t, "true", func(_ *plan.Plan, c *checkpoint.Checkpoint) { c.Containers = c.Containers[:1] })
	f.expect(t, "app", "1", Restored)
	must(t, os.WriteFile(filepath.Join(f.volume, "later"), nil, 0o600))
	must(t, os.MkdirAll(f.request.Marks, 0o700))
	must(t, os.WriteFile(filepath.Join(f.request.Marks, "1"), nil, 0o600))
	f.expect(t, "app", "2", Restored)
	if got := f.content(t); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the volume has %q", got)
	}
	if left, _ := os.ReadDir(f.request.Marks); len(left) > 0 {
		t.Errorf("the mark of the first attempt is left")
	}
	f.expect(t, "app", "3", Fresh)
	if state := f.state(t); state.Reason != plan.ReasonInterrupted {
		t.Errorf("got %+v", state)
	}
}

func TestARestoredContainerThatEnded(t *testing.T) {
	f := lay(t, "true", nil)
	f.expect(t, "app", "1", Restored)
	f.start(t, "app")
	f.expect(t, "other", "2", Restored)
	f.start(t, "other")
	f.expect(t, "app", "3", Fresh)
	f.expect(t, "app", "4", Fresh)
	if state := f.state(t); state.Decision != plan.Restore || state.Containers["other"].Phase != plan.Restored {
		t.Errorf("got %+v", state)
	}
	// It shares its volume with the other container.
	f = lay(t, "true", func(p *plan.Plan, _ *checkpoint.Checkpoint) { p.Restart = plan.RestartAgain })
	f.expect(t, "app", "1", Restored)
	f.start(t, "app")
	f.expect(t, "other", "2", Restored)
	f.start(t, "other")
	f.expect(t, "app", "3", Fresh)
	f = lay(t, "true", func(p *plan.Plan, c *checkpoint.Checkpoint) {
		p.Restart = plan.RestartAgain
		c.Containers = c.Containers[:1]
	})
	f.expect(t, "app", "1", Restored)
	f.start(t, "app")
	must(t, os.WriteFile(filepath.Join(f.volume, "later"), nil, 0o600))
	f.expect(t, "app", "2", Restored)
	if got := f.content(t); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the volume has %q", got)
	}
}

func TestAnInterruptedRestoreIsBegunTwice(t *testing.T) {
	f := lay(t, "true", nil)
	interrupt := func(id string, attempts int) {
		pod, err := plan.Open(f.request.Plans, "pod-1")
		must(t, err)
		defer pod.Close()
		state, err := pod.State()
		must(t, err)
		state.Decision = plan.Restore
		state.Containers["app"] = &plan.Container{ID: id, Phase: plan.Restoring, Attempts: attempts, RuntimeRoot: filepath.Join(f.directory, "state")}
		must(t, pod.Save(state))
	}
	interrupt("1", 1)
	f.expect(t, "app", "2", Restored)
	if !strings.Contains(f.calls(t), "delete --force 1\n") {
		t.Errorf("what the first restore left was not removed: %s", f.calls(t))
	}
	interrupt("2", 2)
	f.expect(t, "app", "3", Fresh)
	if state := f.state(t); state.Reason != plan.ReasonInterrupted {
		t.Errorf("got %+v", state)
	}
}

// Restores of earlier lives of the container do not count: it was restored and ran.
func TestEachRestoreOfAContainerThatEndsMayBeInterruptedOnce(t *testing.T) {
	f := lay(t, "true", func(p *plan.Plan, c *checkpoint.Checkpoint) {
		p.Restart = plan.RestartAgain
		c.Containers = c.Containers[:1]
	})
	for _, id := range []string{"1", "2", "3"} {
		f.expect(t, "app", id, Restored)
		f.start(t, "app")
		if attempts := f.state(t).Containers["app"].Attempts; attempts != 1 {
			t.Errorf("got %d attempts", attempts)
		}
	}
	f.expect(t, "app", "4", Restored)
	// It is created again before it was started.
	f.expect(t, "app", "5", Restored)
	f.expect(t, "app", "6", Fresh)
	if state := f.state(t); state.Reason != plan.ReasonInterrupted || !strings.HasSuffix(state.Message, "its restore began 2 times") {
		t.Errorf("got %+v", state)
	}
}

func TestARestoredContainerThatEndedAfterALaterCheckpoint(t *testing.T) {
	f := lay(t, "true", func(p *plan.Plan, c *checkpoint.Checkpoint) {
		p.Restart = plan.RestartAgain
		c.Containers = c.Containers[:1]
	})
	f.expect(t, "app", "1", Restored)
	f.start(t, "app")
	// The volume at the later checkpoint has another file.
	must(t, os.WriteFile(filepath.Join(f.volume, "counted"), nil, 0o600))
	pod, err := plan.Open(f.request.Plans, "pod-1")
	must(t, err)
	defer pod.Close()
	old, c, err := pod.Current()
	must(t, err)
	later := filepath.Join(f.directory, "later")
	must(t, os.MkdirAll(filepath.Join(later, "containers/app/images"), 0o700))
	must(t, os.MkdirAll(filepath.Join(later, checkpoint.Volumes), 0o700))
	must(t, os.WriteFile(filepath.Join(later, "containers/app/images/inventory.img"), nil, 0o600))
	must(t, os.WriteFile(filepath.Join(later, "containers/app/images/core-1.img"), coreOf(f.specs["app"]), 0o600))
	archive, err := os.OpenFile(filepath.Join(later, checkpoint.Volumes, "data.tar"), os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = files.Pack(f.volume, archive, files.PackOptions{})
	must(t, err)
	must(t, archive.Close())
	root, err := os.OpenRoot(later)
	must(t, err)
	defer root.Close()
	c.UID = "later"
	c.Volumes[0].Archive, err = checkpoint.ArchiveOf(root, "volumes/data.tar")
	must(t, err)
	must(t, checkpoint.Write(root, c))
	text, err := plan.Prepare(later, *old)
	must(t, err)
	must(t, pod.Reserve())
	must(t, pod.Replace(later, text))
	pod.Close()
	must(t, os.WriteFile(filepath.Join(f.volume, "lost"), nil, 0o600))
	for _, id := range []string{"2", "3"} {
		f.expect(t, "app", id, Restored)
		f.start(t, "app")
		if got := f.content(t); !slices.Equal(got, []string{"counted", "file"}) {
			t.Errorf("the volume has %q", got)
		}
	}
	if calls := f.calls(t); strings.Count(calls, "/pod-1/cp/containers/app/images") != 1 || strings.Count(calls, "/pod-1/later/containers/app/images") != 2 {
		t.Errorf("called %s", calls)
	}
}
