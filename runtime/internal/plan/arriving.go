package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/parts"
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
	if has, err := p.hasArrived(container); has || err != nil {
		return nil, err
	}
	found, err := arrival.Open(p.Path(MemoryDirectory, container))
	if err == nil && found == nil {
		err = fmt.Errorf("%s is missing: %s says that memory arrives", p.Path(MemoryDirectory, container), File)
	}
	return found, err
}

func (p *Pod) hasArrived(container string) (bool, error) {
	_, err := p.root.Lstat(path.Join(MemoryDirectory, container, arrivedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// SealArrived compares the memory of a container, all of which has arrived, with its checksums, and records that. After it,
// Arriving returns nil for the container. It returns ErrChecksum if a file differs.
func (p *Pod) SealArrived(of *Plan, c *checkpoint.Checkpoint, container string) error {
	root, err := p.root.OpenRoot(of.Checkpoint)
	if err != nil {
		return err
	}
	defer root.Close()
	found := arrived{Files: map[string]Sealed{}}
	if found.Boot, err = bootID(); err != nil {
		return err
	}
	for name, want := range c.Paths() {
		if !pagesOf(name, container) {
			continue
		}
		if found.Files[name], err = SealOf(root, name); err != nil {
			return err
		}
		if stored, err := checkpoint.ArchiveOf(root, name); err != nil {
			return err
		} else if stored != want {
			return fmt.Errorf("%s: %w", name, ErrChecksum)
		}
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

// pagesOf says if a path of a checkpoint is a file with pages of a container.
func pagesOf(name, container string) bool {
	return strings.HasPrefix(name, path.Join(checkpoint.Containers, container, checkpoint.Images)+"/") && parts.IsPages(name)
}

// arrivedSeals returns the seals of memory that has arrived, in this boot.
func (p *Pod) arrivedSeals(of *Plan) (map[string]Sealed, error) {
	seals := map[string]Sealed{}
	for _, container := range of.Arriving {
		text, err := p.readFile(path.Join(MemoryDirectory, container, arrivedFile), maxBytes)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var found arrived
		if err == nil {
			err = strictjson.Unmarshal(text, &found)
		}
		if err != nil {
			return nil, err
		}
		if boot, err := bootID(); err != nil || boot != found.Boot {
			continue
		}
		for name, each := range found.Files {
			seals[name] = each
		}
	}
	return seals, nil
}

// notArrived returns the paths of the files of a checkpoint whose content is still to come.
func (p *Pod) notArrived(of *Plan, c *checkpoint.Checkpoint) (map[string]bool, error) {
	files := map[string]bool{}
	for _, container := range of.Arriving {
		if has, err := p.hasArrived(container); err != nil {
			return nil, err
		} else if !has {
			addPages(files, c, container)
		}
	}
	return files, nil
}

// addPages adds the paths of all files with pages of a container.
func addPages(files map[string]bool, c *checkpoint.Checkpoint, container string) {
	for name := range c.Paths() {
		if pagesOf(name, container) {
			files[name] = true
		}
	}
}

// BootID returns the identifier that the kernel chose at its start (random(4)).
func BootID() (string, error) { return bootID() }

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
