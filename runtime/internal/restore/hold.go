package restore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"cedana.ai/cdk/runtime/internal/images"
	"golang.org/x/sys/unix"
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
func (r *run) holdFIFOs() {
	if len(r.checkpoint.Containers) < 2 || r.Service == "" {
		return
	}
	if err := r.hold(); err != nil {
		_ = os.WriteFile(filepath.Join(r.work(), holdLog), []byte(err.Error()+"\n"), 0o600)
	}
}

func (r *run) hold() error {
	source, err := os.Open(filepath.Join(r.images(), filesImage))
	if err != nil {
		return err
	}
	found, err := images.ReadFIFOs(source)
	if err = errors.Join(err, source.Close()); err != nil {
		return err
	}
	destinations := resolveDestinations(r.Call.Bundle, r.spec)
	descriptors, opened := []int{}, map[string]bool{}
	for _, each := range found {
		name := fifoName(r.spec, destinations, each.Path)
		if name == "" || opened[name] || len(descriptors) == MaxHeld {
			continue
		}
		opened[name] = true
		file, err := openFIFO(r.spec, destinations, each.Path)
		if err != nil {
			return err
		}
		defer file.Close()
		descriptors = append(descriptors, int(file.Fd()))
	}
	if len(descriptors) == 0 {
		return nil
	}
	return requestHold(r.Service, r.pod.UID, descriptors)
}

// requestHold lets the host service take descriptors of this process.
func requestHold(socket, podUID string, descriptors []int) error {
	connection, err := net.DialTimeout("unix", socket, holdTime)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(holdTime)); err != nil {
		return err
	}
	params := map[string]any{"podUID": podUID, "descriptors": descriptors}
	if err := json.NewEncoder(connection).Encode(map[string]any{"id": HoldMethod, "method": HoldMethod, "params": params}); err != nil {
		return err
	}
	var answer struct {
		Error json.RawMessage `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(connection, 1<<16)).Decode(&answer); err != nil {
		return fmt.Errorf("the host service does not answer: %w", err)
	}
	if answer.Error != nil {
		return fmt.Errorf("the host service: %s", answer.Error)
	}
	return nil
}

// openNonblocking opens both ends of a FIFO, which never waits.
const openNonblocking = os.O_RDWR | unix.O_NONBLOCK | unix.O_NOFOLLOW
