package service

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/plan"
)

// restored lays a plan of the checkpoint cp for a pod, whose containers then run from it.
func (f *fixture) restored(t *testing.T, restart string) {
	t.Helper()
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", "metadata", metadata, "", true, "")
	f.wantStage(t, "pod", images, set, "", true, "")
	f.call(t, "lay", strings.Replace(layParams("pod"), `"restart":"fresh"`, fmt.Sprintf(`"restart":%q`, restart), 1), "")
	f.phase(t, plan.Restored)
}

func (f *fixture) open(t *testing.T) *plan.Pod {
	t.Helper()
	pod, err := plan.Open(f.dir+"/restore", "pod")
	must(t, err)
	t.Cleanup(pod.Close)
	return pod
}

func (f *fixture) phase(t *testing.T, phase string) {
	t.Helper()
	must(t, f.open(t).Save(&plan.State{Version: 1, Decision: plan.Restore, Containers: map[string]*plan.Container{"app": {Phase: phase}}}))
}

// newer takes a checkpoint, at a second of its own.
func (f *fixture) newer(t *testing.T, uid, podUID string, second int64) {
	t.Helper()
	f.release <- nil
	f.call(t, "checkpoint", fmt.Sprintf(`{"uid":%q,"podUID":%q}`, uid, podUID), "")
	root, err := os.OpenRoot(f.dir + "/checkpoints/" + uid)
	must(t, err)
	defer root.Close()
	c, err := checkpoint.Read(root)
	must(t, err)
	c.CreatedAt = time.Unix(second, 0).UTC()
	must(t, root.Remove(checkpoint.File), checkpoint.Write(root, c))
}

func (f *fixture) replans(t *testing.T, uid, want string) {
	t.Helper()
	result := f.call(t, "replan", fmt.Sprintf(`{"podUID":"pod","checkpoint":%q}`, uid), "")
	got := fmt.Sprint(result["reason"])
	if result["replaced"] == true {
		got = "replaced"
	}
	if got != want {
		t.Errorf("replan of %s: got %v, want %s", uid, result, want)
	}
}

// files returns the checkpoints of the service, and the entries of the pod's directory.
func (f *fixture) files(t *testing.T) string {
	t.Helper()
	names := []string{}
	for _, pattern := range []string{"checkpoints/*", "restore/pod/*/checkpoint.json"} {
		found, err := filepath.Glob(filepath.Join(f.dir, pattern))
		must(t, err)
		for _, each := range found {
			names = append(names, strings.TrimPrefix(each, f.dir+"/"))
		}
	}
	return strings.Join(names, " ")
}

func TestANewerCheckpointReplacesThatOfThePlan(t *testing.T) {
	f := start(t)
	f.restored(t, "again")
	f.call(t, "forget", `{"uid":"cp"}`, "")
	f.newer(t, "second", "pod", 2)
	for range 2 {
		f.replans(t, "second", "replaced")
		if got := f.files(t); got != "restore/pod/second/checkpoint.json" {
			t.Errorf("got %s", got)
		}
	}
	pod := f.open(t)
	read, c, err := pod.Current()
	must(t, err)
	if _, err := pod.Verify(read); err != nil || read.Checkpoint != "second" || c.Pod.UID != "pod" || read.Restart != plan.RestartAgain || len(read.Seal) != 1 {
		t.Errorf("got %+v, %v", read, err)
	}
	f.call(t, "forget", `{"uid":"second"}`, "")
	if got := fmt.Sprint(f.call(t, "outcome", `{"podUID":"pod"}`, "")["checkpoint"]); got != "second" {
		t.Errorf("got %s", got)
	}
	f.newer(t, "third", "pod", 3)
	f.replans(t, "third", "replaced")
	f.newer(t, "older", "pod", 2)
	f.replans(t, "older", notNewer)
	if got := f.files(t); got != "checkpoints/older restore/pod/third/checkpoint.json" {
		t.Errorf("got %s", got)
	}
	f.call(t, "forgetPlan", `{"podUID":"pod"}`, "")
	f.replans(t, "third", notPlanned)
}

// The service was killed between the steps: before plan.json was replaced, and before the old checkpoint was deleted.
func TestARepeatedReplanCompletesAnInterruptedOne(t *testing.T) {
	f := start(t)
	f.restored(t, "again")
	f.newer(t, "second", "pod", 2)
	must(t, os.Rename(f.dir+"/checkpoints/second", f.dir+"/restore/pod/second"))
	pod := f.open(t)
	read, err := pod.Read()
	must(t, err)
	if _, err := pod.Verify(read); err != nil || read.Checkpoint != "cp" {
		t.Errorf("got %+v, %v", read, err)
	}
	f.replans(t, "second", "replaced")
	must(t, os.CopyFS(f.dir+"/restore/pod/cp", os.DirFS(f.dir+"/checkpoints/cp")))
	f.replans(t, "second", "replaced")
	if got := f.files(t); got != "checkpoints/cp restore/pod/second/checkpoint.json" {
		t.Errorf("got %s", got)
	}
}

func TestAPlanIsKept(t *testing.T) {
	for want, change := range map[string]func(f *fixture){
		restartsFresh: func(f *fixture) {
			f.call(t, "forgetPlan", `{"podUID":"pod"}`, "")
			f.call(t, "forget", `{"uid":"cp"}`, "")
			f.restored(t, "fresh")
		},
		notPlanned:  func(f *fixture) { f.call(t, "forgetPlan", `{"podUID":"pod"}`, "") },
		notRestored: func(f *fixture) { f.phase(t, plan.StartedFresh) },
		otherContainers: func(f *fixture) {
			f.call(t, "forget", `{"uid":"new"}`, "")
			f.newer(t, "new", "another", 2)
		},
		reasonNoCheckpoint: func(f *fixture) { f.call(t, "forget", `{"uid":"new"}`, "") },
		dump.ReasonNoSpace: func(f *fixture) { f.restores.promised["another"] = promise{bytes: math.MaxInt64 / 2} },
	} {
		f := start(t)
		f.restored(t, "again")
		f.newer(t, "new", "pod", 2)
		change(f)
		f.replans(t, "new", want)
		if want == reasonNoCheckpoint {
			continue
		}
		if _, err := os.Lstat(f.dir + "/checkpoints/new"); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if want == notPlanned {
			continue
		}
		if read, err := f.open(t).Read(); err != nil || read.Checkpoint != "cp" {
			t.Errorf("%s: got %+v, %v", want, read, err)
		}
	}
}

func TestAPlanIsKeptWhileThePodIsRestored(t *testing.T) {
	f := start(t)
	f.restored(t, "again")
	f.newer(t, "new", "pod", 2)
	pod := f.open(t)
	must(t, pod.Lock())
	f.call(t, "replan", `{"podUID":"pod","checkpoint":"new"}`, reasonInUse)
	pod.Close()
	f.replans(t, "new", "replaced")
	f.call(t, "replan", `{"podUID":"pod","checkpoint":"../new"}`, dump.ReasonInvalid)
	f.call(t, "replan", `{"podUID":"..","checkpoint":"new"}`, dump.ReasonInvalid)
	f.call(t, "replan", `{"podUID":"pod","checkpoint":"new","reserveBytes":-1}`, dump.ReasonInvalid)
}

func TestADamagedCheckpointReplacesNoPlan(t *testing.T) {
	f := start(t)
	f.restored(t, "again")
	f.newer(t, "new", "pod", 2)
	must(t, os.WriteFile(f.dir+"/checkpoints/new/"+images+"/inventory.img", []byte("y"), 0o600))
	f.call(t, "replan", `{"podUID":"pod","checkpoint":"new"}`, reasonLay)
	if got := f.files(t); got != "checkpoints/cp checkpoints/new restore/pod/cp/checkpoint.json" {
		t.Errorf("got %s", got)
	}
}

// What a crash may restore must not depend on the volumes of containers that run on.
func TestCheckpointsThatCannotReplaceAPlan(t *testing.T) {
	mount := checkpoint.Mount{Destination: "/data", Type: "bind", Volume: "data"}
	of := func(podUID, uid string, containers ...string) *checkpoint.Checkpoint {
		c := &checkpoint.Checkpoint{UID: uid, CreatedAt: time.Unix(2, 0), Pod: checkpoint.Pod{UID: podUID}}
		for _, each := range containers {
			c.Containers = append(c.Containers, checkpoint.Container{Name: each})
		}
		return c
	}
	sharing := func(names ...string) *checkpoint.Checkpoint {
		c := of("pod", "new", "app", "log", "proxy")
		for at, each := range c.Containers {
			for _, name := range names {
				if each.Name == name {
					c.Containers[at].Mounts = []checkpoint.Mount{mount}
				}
			}
		}
		return c
	}
	shared := of("pod", "new", "app", "log")
	shared.SharedMemory = &checkpoint.Archive{}
	alone := of("pod", "new", "app")
	alone.SharedMemory = &checkpoint.Archive{}
	three := of("old", "cp", "log", "proxy", "app")
	for name, each := range map[string]struct {
		current, found *checkpoint.Checkpoint
		want           string
	}{
		"a container more":         {of("old", "cp", "app"), of("pod", "new", "app", "log"), otherContainers},
		"a container less":         {three, of("pod", "new", "app", "log"), otherContainers},
		"another container":        {of("old", "cp", "app"), of("pod", "new", "log"), otherContainers},
		"of another pod":           {of("old", "cp", "app"), of("other", "new", "app"), otherContainers},
		"all share a volume":       {three, sharing("app", "log", "proxy"), volumesShared},
		"one has its own volumes":  {three, sharing("app", "log"), ""},
		"they share /dev/shm":      {of("old", "cp", "app", "log"), shared, volumesShared},
		"/dev/shm of a single one": {of("old", "cp", "app"), alone, ""},
		"of the same time":         {of("pod", "cp", "app"), alone, notNewer},
		"another node's clock":     {of("old", "cp", "app"), alone, ""},
	} {
		got := ""
		if why := differs(each.current, each.found, replanRequest{podCheckpoint: podCheckpoint{podNamed{"pod"}, "new"}}); why != nil {
			got = why.Reason
		}
		if got != each.want {
			t.Errorf("%s: got %q, want %q", name, got, each.want)
		}
	}
}
