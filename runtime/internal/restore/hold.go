package restore

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cedana.ai/cdk/runtime/internal/ask"
)

const (
	// MaxHeld is how many FIFOs the host service holds for one container.
	MaxHeld = 256
	// HoldMethod is the method of the host service that holds FIFOs.
	HoldMethod = "hold"
	// holdTime is how long the host service may take.
	holdTime = 2 * time.Second
	// holdLog has why FIFOs are not held, in the work directory of the container.
	holdLog = "hold.log"
)

// holdFIFOs lets the host service hold the FIFOs of volumes that this container has open, until all containers of the pod are
// restored. The containers are restored one after the other, and run meanwhile: without it, a process whose other end is in a
// container that is not restored yet reads the end of the file, or gets EPIPE.
//
// A failure is written to holdLog: the restore continues without.
func (r *run) holdFIFOs(fifos []volumeFIFO) {
	if len(r.checkpoint.Containers) < 2 || r.Service == "" {
		return
	}
	if err := r.hold(fifos); err != nil {
		_ = os.WriteFile(filepath.Join(r.work(), holdLog), []byte(err.Error()+"\n"), 0o600)
	}
}

func (r *run) hold(fifos []volumeFIFO) error {
	descriptors, opened := []int{}, map[string]bool{}
	for _, each := range fifos {
		if opened[each.name] || len(descriptors) == MaxHeld {
			continue
		}
		opened[each.name] = true
		file, err := each.open()
		if err != nil {
			return err
		}
		defer file.Close()
		descriptors = append(descriptors, int(file.Fd()))
	}
	if len(descriptors) == 0 {
		return nil
	}
	// The service takes the descriptors from this process.
	params := map[string]any{"podUID": r.pod.UID, "descriptors": descriptors}
	answer, err := ask.Service(r.Service, holdTime, HoldMethod, params)
	if err != nil {
		return fmt.Errorf("the host service: %w", err)
	}
	if answer.Error != nil {
		return fmt.Errorf("the host service: %s", answer.Error)
	}
	return nil
}
