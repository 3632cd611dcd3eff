package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/proc"
	"cedana.ai/cdk/runtime/internal/strictjson"
)

// MemoryDirectory holds a directory of package arrival for each container whose memory arrives after the plan.
const MemoryDirectory = "memory"

// arrivedFile has the seal of memory that has arrived, in the directory of its container.
const arrivedFile = "seal.json"

// arrived is the content of arrivedFile.
type arrived struct {
	Boot  string            `json:"boot"`
	Files map[string]Sealed `json:"files"`
}

// Arriving opens the record of the memory of a container that arrives after the plan. It returns nil if all memory was there
// with the plan, or has arrived and been compared with its checksums. Close it.
func (p *Pod) Arriving(of *Plan, container string) (*arrival.Memory, error) {
	if !slices.Contains(of.Arriving, container) {
		return nil, nil
	}
	_, err := p.root.Lstat(path.Join(MemoryDirectory, container, arrivedFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	found, err := arrival.Open(p.Path(MemoryDirectory, container))
	if err == nil && found == nil {
		err = fmt.Errorf("%s is missing: %s says that memory arrives", p.Path(MemoryDirectory, container), File)
	}
	return found, err
}

// SealArrived compares the memory of a container, all of which has arrived, with its checksums, and records that. After it,
// Arriving returns nil for the container. It returns ErrChecksum if a file differs.
func (p *Pod) SealArrived(of *Plan, c *checkpoint.Checkpoint, container string) error {
	root, err := p.root.OpenRoot(of.Checkpoint)
	if err != nil {
		return err
	}
	defer root.Close()
	found := arrived{}
	if found.Boot, err = proc.BootID(); err != nil {
		return err
	}
	if found.Files, err = seal(root, pagesOf(c, container), nil); err != nil {
		return err
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	directory, err := p.root.OpenRoot(path.Join(MemoryDirectory, container))
	if err != nil {
		return err
	}
	defer directory.Close()
	return writeFile(directory, arrivedFile, text)
}

// ErrChecksum is returned for a file whose content is not what the metadata names.
var ErrChecksum = errors.New("it has another checksum than " + checkpoint.File + " names")

// pagesOf returns the files with pages of a container, by path relative to the checkpoint's directory.
func pagesOf(c *checkpoint.Checkpoint, container string) map[string]checkpoint.Archive {
	paths := c.Paths()
	maps.DeleteFunc(paths, func(name string, _ checkpoint.Archive) bool {
		set := path.Join(checkpoint.Containers, container, checkpoint.Images) + "/"
		return !strings.HasPrefix(name, set) || !parts.IsPages(name)
	})
	return paths
}

// arrivals returns the seals of memory that has arrived in a boot, and the containers whose memory is still to come.
func (p *Pod) arrivals(of *Plan, boot string) (seals map[string]Sealed, missing []string, err error) {
	seals = map[string]Sealed{}
	for _, container := range of.Arriving {
		text, err := p.readFile(path.Join(MemoryDirectory, container, arrivedFile), maxBytes)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, container)
			continue
		}
		var found arrived
		if err == nil {
			err = strictjson.Unmarshal(text, &found)
		}
		if err != nil {
			return nil, nil, err
		}
		if found.Boot == boot {
			maps.Copy(seals, found.Files)
		}
	}
	return seals, missing, nil
}

// arrivingIn returns the containers whose memory arrives after the plan that is written in a directory, sorted.
func arrivingIn(directory string) ([]string, error) {
	entries, err := os.ReadDir(path.Join(directory, MemoryDirectory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	names := []string{}
	for _, each := range entries {
		if checkpoint.IsName(each.Name()) {
			names = append(names, each.Name())
		}
	}
	return names, err
}
