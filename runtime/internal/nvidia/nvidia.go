// Package nvidia applies the edits of NVIDIA's container runtime to the configuration of a container that is restored.
//
// nvidia-container-runtime adds devices, mounts and hooks to config.json, and then calls runc. It does so only for the command
// create (HasCreateSubcommand of NVIDIA/nvidia-container-toolkit, internal/oci/args.go), not for restore. Edit runs the command
// create on a copy of config.json, with a program that does nothing in the place of runc.
package nvidia

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// editLimit is the limit of the time of one edit. The runtime reads the driver's files and writes config.json.
const editLimit = 10 * time.Second

// lowLevel are the names of programs that nvidia-container-runtime searches in PATH, with its default configuration.
var lowLevel = []string{"docker-runc", "runc", "crun"}

// Edits says if an OCI runtime edits config.json: nvidia-container-runtime, and its variants .cdi and .legacy.
func Edits(runtime string) bool {
	return strings.HasPrefix(filepath.Base(runtime), "nvidia-container-runtime")
}

// Edit returns the configuration as the runtime edits it when it creates the container ID. Work is an existing directory, in
// which Edit creates another one and removes it. It returns an error if the runtime fails before it has edited the
// configuration: also if its own configuration names runc by a path, and there is nothing to edit.
func Edit(runtime, id, work string, config []byte) (edited []byte, err error) {
	directory, err := os.MkdirTemp(work, "edit-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	nothing, err := exec.LookPath("true")
	if err != nil {
		return nil, err
	}
	programs := filepath.Join(directory, "bin")
	if err := os.Mkdir(programs, 0o700); err != nil {
		return nil, err
	}
	for _, name := range lowLevel {
		if err := os.Symlink(nothing, filepath.Join(programs, name)); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(directory, oci.ConfigFile)
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), editLimit)
	defer cancel()
	// The root file system is not in this directory: runc that is called by its path fails before it creates anything.
	command := exec.CommandContext(ctx, runtime, "--root", filepath.Join(directory, "state"), "create", "--bundle", directory, id)
	command.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	runError := command.Run()
	edited, err = oci.ReadConfig(directory)
	if err != nil {
		return nil, err
	}
	if runError != nil && bytes.Equal(edited, config) {
		return nil, fmt.Errorf("%s did not edit %s: %w: %.300s", filepath.Base(runtime), oci.ConfigFile, runError, strings.TrimSpace(output.String()))
	}
	if !json.Valid(edited) {
		return nil, fmt.Errorf("%s wrote an invalid %s", filepath.Base(runtime), oci.ConfigFile)
	}
	return edited, sameRoot(config, edited)
}

// sameRoot checks that the root file system was not edited: the copy is in another directory.
func sameRoot(before, after []byte) error {
	var was, is struct {
		Root specs.Root `json:"root"`
	}
	if err := errors.Join(json.Unmarshal(before, &was), json.Unmarshal(after, &is)); err != nil {
		return err
	}
	if was.Root.Path != is.Root.Path {
		return fmt.Errorf("the root file system was changed from %s to %s", was.Root.Path, is.Root.Path)
	}
	return nil
}
