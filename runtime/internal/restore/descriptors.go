package restore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// runtimeState is runc's file with the state of a container, in the directory of its ID (libcontainer, container_linux.go).
	runtimeState = "state.json"
	// descriptorsField has what the streams of the container were when it was created. runc writes it into a checkpoint, and a
	// restore connects what is a pipe there to the streams of the new container.
	descriptorsField = "external_descriptors"
	maxDescriptor    = 3
)

// recordStreams replaces the container's streams in the runtime's state by those of this process. The runtime reads them of
// its CRIU, which may not have taken them yet: then a restore of the next checkpoint would leave the processes with pipes
// that no process reads. It does nothing if the runtime has no such state.
func (r *run) recordStreams() error {
	if r.Call.Root == "" {
		return nil
	}
	file := filepath.Join(r.Call.Root, r.Call.ID, runtimeState)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	state := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &state); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if _, found := state[descriptorsField]; !found {
		return nil
	}
	streams := make([]string, maxDescriptor)
	for at := range streams {
		// One that is closed stays empty, as the runtime has it.
		streams[at], err = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", at))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if state[descriptorsField], err = json.Marshal(streams); err != nil {
		return err
	}
	if text, err = json.Marshal(state); err != nil {
		return err
	}
	// The runtime replaces it in the same way, and reads it while the kubelet queries the container.
	temporary := file + ".streams"
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}
