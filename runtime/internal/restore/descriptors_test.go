package restore

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A checkpoint of a restored container must name its streams, or its own restore has none.
func TestTheRuntimesStateHasTheStreamsOfARestoredContainer(t *testing.T) {
	f := lay(t, `d=$(dirname $0)/state/1; mkdir -p $d; echo '{"id":"1","external_descriptors":["/dev/null","/work/runtime.out","/work/runtime.out"],"created":12345678901234567890}' > $d/state.json`, nil)
	f.expect(t, "app", "1", Restored)
	directory := filepath.Join(f.directory, "state/1")
	text, err := os.ReadFile(filepath.Join(directory, runtimeState))
	must(t, err)
	var state struct {
		ID          string          `json:"id"`
		Created     json.RawMessage `json:"created"`
		Descriptors []string        `json:"external_descriptors"`
	}
	must(t, json.Unmarshal(text, &state))
	want := []string{}
	for stream := range 3 {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", stream))
		must(t, err)
		want = append(want, name)
	}
	if !slices.Equal(state.Descriptors, want) || state.ID != "1" || string(state.Created) != "12345678901234567890" {
		t.Errorf("got %s, want %q", text, want)
	}
	entries, err := os.ReadDir(directory)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("there are %v", entries)
	}
}
