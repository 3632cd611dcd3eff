package restore

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const library = "/usr/lib/libcuda.so.1"

// layGPU is lay for a container app whose checkpoint has a library of the driver, which the runtime mounts: nvidia-container-
// runtime edits config.json for the command create, and then calls runc.
func layGPU(t *testing.T, restore, edit string) (f *fixture, config func() string) {
	t.Helper()
	f = lay(t, restore, func(_ *plan.Plan, c *checkpoint.Checkpoint) {
		c.Containers = c.Containers[:1]
		c.Containers[0].Mounts = append(c.Containers[0].Mounts, checkpoint.Mount{Destination: library, Type: "bind"})
	})
	real := f.request.Runtime
	f.request.Runtime = filepath.Join(f.directory, "nvidia-container-runtime")
	text := "#!/bin/sh\ncase \" $* \" in *' create '*) " + edit + "; exec runc \"$@\" ;; *) exec " + real + " \"$@\" ;; esac\n"
	must(t, os.WriteFile(f.request.Runtime, []byte(text), 0o755))
	bundle := filepath.Join(f.directory, "bundle-1")
	must(t, os.MkdirAll(bundle, 0o700))
	before, err := json.Marshal(f.specs["app"])
	must(t, err)
	must(t, os.WriteFile(filepath.Join(bundle, oci.ConfigFile), before, 0o600))
	return f, func() string {
		text, err := os.ReadFile(filepath.Join(bundle, oci.ConfigFile))
		must(t, err)
		return string(text)
	}
}

// addLibrary edits the config.json of the bundle in the arguments "--root R create --bundle B ID".
const addLibrary = `sed -i 's|"mounts":\[|&{"destination":"` + library + `","type":"bind","source":"/driver"},|' "$5/config.json"`

func TestARestoreHasTheEditsOfTheRuntime(t *testing.T) {
	f, config := layGPU(t, "cp \"$(dirname \"$0\")/bundle-1/config.json\" \"$(dirname \"$0\")/seen\"", addLibrary)
	if outcome, err := f.create(t, "app", "1"); outcome != Restored || err != nil {
		t.Fatalf("got %v, %v: %+v", outcome, err, f.state(t))
	}
	seen, err := os.ReadFile(filepath.Join(f.directory, "seen"))
	must(t, err)
	var spec specs.Spec
	must(t, json.Unmarshal(seen, &spec))
	if spec.Mounts[0].Destination != library || config() != string(seen) {
		t.Errorf("the runtime restored with %s", seen)
	}
	if strings.Contains(f.calls(t), "create") {
		t.Errorf("the runtime created a container: %s", f.calls(t))
	}
}

func TestAFreshStartHasNoEdits(t *testing.T) {
	for name, each := range map[string]struct{ restore, edit, reason string }{
		"the restore fails":        {"exit 1", addLibrary, plan.ReasonCRIU},
		"the runtime fails":        {"exit 0", "exit 1", plan.ReasonIncompatible},
		"the library is missing":   {"exit 0", ":", plan.ReasonIncompatible},
		"the file becomes invalid": {"exit 0", `echo > "$5/config.json"`, plan.ReasonIncompatible},
	} {
		t.Run(name, func(t *testing.T) {
			f, config := layGPU(t, each.restore, each.edit)
			before := config()
			if outcome, err := f.create(t, "app", "1"); outcome != Fresh || err != nil {
				t.Fatalf("got %v, %v: %+v", outcome, err, f.state(t))
			}
			if got := f.state(t).Reason; got != each.reason || config() != before {
				t.Errorf("got %s: %s; config.json is %s", got, f.state(t).Message, config())
			}
		})
	}
}
