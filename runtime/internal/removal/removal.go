// Package removal removes the OCI runtime wrapper from a node after an uninstall. containerd calls the wrapper for each container
// of its runtime handler, also to stop it, so the wrapper stays as long as such a container exists.
package removal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"cedana.ai/cdk/runtime/internal/oci"
)

// Node has the paths of the removal.
type Node struct {
	// Wrapper is the path of the wrapper in containerd's configuration.
	Wrapper string
	// Program is the path of the installed program, "" if none is installed.
	Program string
	// Tasks has a directory for each namespace of containerd, with the bundles of its containers.
	Tasks string
}

// Paths of a node.
const (
	Wrapper = "/usr/local/bin/cedana-runc"
	Tasks   = "/run/containerd/io.containerd.runtime.v2.task"
)

// aside is added to the name of the wrapper while it is removed.
const aside = ".removing"

// User is a container for which containerd calls the wrapper.
type User struct {
	// ID is the container's, with the namespace of containerd: k8s.io/ID.
	ID string
	// Pod is NAMESPACE/NAME and the container's name, "" if unknown.
	Pod string
}

func (u User) String() string {
	if u.Pod == "" {
		return u.ID
	}
	return u.ID + " (" + u.Pod + ")"
}

// ErrInstalled is returned while the node has an installed program: the wrapper restores by it.
var ErrInstalled = errors.New("the programs of the node are installed")

// UsedError is returned while containers need the wrapper.
type UsedError struct{ Users []User }

// shown is how many containers the message lists.
const shown = 20

func (e *UsedError) Error() string {
	lines := []string{}
	for _, each := range e.Users[:min(len(e.Users), shown)] {
		lines = append(lines, "\n  "+each.String())
	}
	if more := len(e.Users) - shown; more > 0 {
		lines = append(lines, fmt.Sprintf("\n  and %d more", more))
	}
	return fmt.Sprintf("containerd calls the wrapper for %d containers:%s", len(e.Users), strings.Join(lines, ""))
}

// Remove removes the wrapper. It returns false if there is none. The error is ErrInstalled or a *UsedError if it must stay.
//
// The wrapper is renamed before the second search: no container can be created from then on, and one that was created since the
// first search is found. containerd's shim writes the name of the runtime into the bundle before it calls it.
func (n Node) Remove() (bool, error) {
	if n.Program != "" {
		return false, fmt.Errorf("%w: %s", ErrInstalled, n.Program)
	}
	renamed := n.Wrapper + aside
	// A removal that was interrupted may have left it so.
	if _, err := os.Lstat(n.Wrapper); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(renamed, n.Wrapper); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	} else if err != nil {
		return false, err
	}
	if err := n.unused(); err != nil {
		return false, err
	}
	if err := os.Rename(n.Wrapper, renamed); err != nil {
		return false, err
	}
	if err := n.unused(); err != nil {
		return false, errors.Join(err, os.Rename(renamed, n.Wrapper))
	}
	return true, os.Remove(renamed)
}

func (n Node) unused() error {
	users, err := n.users()
	if err == nil && len(users) > 0 {
		err = &UsedError{users}
	}
	return err
}

// users returns the containers whose bundle names the wrapper as their runtime.
func (n Node) users() ([]User, error) {
	namespaces, err := os.ReadDir(n.Tasks)
	if errors.Is(err, fs.ErrNotExist) {
		// containerd has not run since the boot, or uses another directory.
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	users := []User{}
	for _, namespace := range namespaces {
		bundles, err := os.ReadDir(filepath.Join(n.Tasks, namespace.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, each := range bundles {
			bundle := filepath.Join(n.Tasks, namespace.Name(), each.Name())
			used, err := n.usedBy(bundle)
			if err != nil {
				return nil, err
			}
			if used {
				users = append(users, User{filepath.Join(namespace.Name(), each.Name()), podOf(bundle)})
			}
		}
	}
	return users, nil
}

// usedBy reads the files in which containerd's shim for runc keeps its runtime: runtime, and options.json before it.
func (n Node) usedBy(bundle string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(bundle, "runtime"))
	if err == nil {
		return strings.TrimSpace(string(text)) == n.Wrapper, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	text, err = os.ReadFile(filepath.Join(bundle, "options.json"))
	if errors.Is(err, fs.ErrNotExist) {
		// Of another shim, or deleted.
		return false, nil
	}
	return strings.Contains(string(text), `"`+n.Wrapper+`"`), err
}

// podOf returns the pod and the name of the container of a bundle.
func podOf(bundle string) string {
	config, err := oci.ReadConfig(bundle)
	if err != nil {
		return ""
	}
	var spec struct{ Annotations map[string]string }
	if json.Unmarshal(config, &spec) != nil || spec.Annotations["io.kubernetes.cri.sandbox-name"] == "" {
		return ""
	}
	pod := spec.Annotations["io.kubernetes.cri.sandbox-namespace"] + "/" + spec.Annotations["io.kubernetes.cri.sandbox-name"]
	if name := spec.Annotations["io.kubernetes.cri.container-name"]; name != "" {
		return pod + ", " + name
	}
	return pod + ", sandbox"
}
