package restore

import (
	"errors"
	"os"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/nvidia"
	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/plan"
)

// editConfig applies the edits that the runtime makes when it creates a container, and does not make when it restores one: the
// restored process needs the same devices and mounts. Without them the comparison with the checkpoint fails.
func (r *run) editConfig() error {
	if !nvidia.Edits(r.Runtime) {
		return nil
	}
	work := r.pod.Path(plan.WorkDirectory)
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	edited, err := nvidia.Edit(r.Runtime, r.Call.ID, work, r.Config)
	if err != nil {
		return err
	}
	if r.spec, err = oci.ParseConfig(edited); err != nil {
		return err
	}
	r.edited = true
	return replaceConfig(r.Call.Bundle, edited)
}

// resetConfig removes the edits, because the runtime repeats them when it creates the container.
func (r *run) resetConfig() error {
	if !r.edited {
		return nil
	}
	return replaceConfig(r.Call.Bundle, r.Config)
}

// replaceConfig replaces config.json of a bundle by one rename, with its mode.
func replaceConfig(bundle string, text []byte) (err error) {
	name := filepath.Join(bundle, oci.ConfigFile)
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(bundle, ".config-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	_, err = file.Write(text)
	if err = errors.Join(err, file.Chmod(info.Mode().Perm()), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
