package service

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/plan"
)

const layFields = `"deadline":"2030-01-01T00:00:00Z","fallback":"fresh","restart":"fresh"`

func TestLayGivesAPodItsPlanInOneRename(t *testing.T) {
	f := start(t)
	c := f.connect(t)
	writeCheckpoint(t, f.dir+"/checkpoints", dump.Request{UID: "local", PodUID: "old"})
	writeCheckpoint(t, f.dir+"/incoming", dump.Request{UID: "fetched", PodUID: "old"})
	for _, uid := range []string{"local", "fetched"} {
		pod := "pod-" + uid
		c.send("1", "lay", fmt.Sprintf(`{"uid":%q,"podUID":%q,%s}`, uid, pod, layFields))
		c.want("1", "")
		opened, err := plan.Open(f.dir+"/restore", pod)
		must(t, err)
		read, err := opened.Read()
		must(t, err)
		verified, err := opened.Verify(read)
		must(t, err)
		if verified.UID != uid || read.Fallback != plan.FallbackFresh {
			t.Errorf("got %+v of %s", read, verified.UID)
		}
		opened.Close()
		c.send("2", "lay", fmt.Sprintf(`{"uid":%q,"podUID":%q,%s}`, uid, pod, layFields))
		c.want("2", reasonPlanExists)
	}
	for _, moved := range []string{"checkpoints/local", "incoming/fetched"} {
		if _, err := os.Stat(f.dir + "/" + moved); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", moved, err)
		}
	}
	writeCheckpoint(t, f.dir+"/checkpoints", dump.Request{UID: "local", PodUID: "old"})
	must(t, plan.Decline(f.dir+"/restore", "pod-started", "r", "m", time.Unix(1, 0)))
	c.send("3", "lay", fmt.Sprintf(`{"uid":"local","podUID":"pod-started",%s}`, layFields))
	c.want("3", reasonPlanExists)
	c.send("4", "state", `{}`)
	restores := fmt.Sprint(c.want("4", "")["restores"])
	for _, want := range []string{"planned:true podUID:pod-local", "planned:false podUID:pod-started", "decision:fresh"} {
		if !strings.Contains(restores, want) {
			t.Errorf("%s has no %s", restores, want)
		}
	}
	c.send("5", "forget", `{"podUID":"pod-local"}`)
	c.want("5", "")
	if names, _ := os.ReadDir(f.dir + "/restore"); len(names) != 2 {
		t.Errorf("got %v", names)
	}
}

func TestLayRejectsWhatIsNotACheckpoint(t *testing.T) {
	f := start(t)
	c := f.connect(t)
	writeCheckpoint(t, f.dir+"/incoming", dump.Request{UID: "damaged", PodUID: "old"})
	image := f.dir + "/incoming/damaged/containers/app/images/inventory.img"
	must(t, os.WriteFile(image, []byte("y"), 0o600))
	for params, reason := range map[string]string{
		`{"uid":"damaged","podUID":"pod",` + layFields + `}`:                                                 dump.ReasonInvalid,
		`{"uid":"missing","podUID":"pod",` + layFields + `}`:                                                 reasonNoCheckpoint,
		`{"uid":"damaged","podUID":"../pod",` + layFields + `}`:                                              dump.ReasonInvalid,
		`{"uid":"..","podUID":"pod",` + layFields + `}`:                                                      dump.ReasonInvalid,
		`{"uid":"damaged","podUID":"pod","deadline":"2030-01-01T00:00:00Z","fallback":"","restart":"fresh"}`: dump.ReasonInvalid,
	} {
		c.send("1", "lay", params)
		c.want("1", reason)
	}
	if names, _ := os.ReadDir(f.dir + "/restore"); len(names) > 0 {
		t.Errorf("%v is left", names)
	}
	must(t, os.WriteFile(image, []byte("x"), 0o600))
	c.send("2", "lay", `{"uid":"damaged","podUID":"pod",`+layFields+`}`)
	c.want("2", "")
}
