package freezer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

type state string

const (
	stateThawed   state = "thawed"
	stateFreezing state = "freezing"
	stateFrozen   state = "frozen"
)

const errNoDevice = unix.ENODEV

// request writes the setting of the cgroup itself.
func (c Cgroup) request(frozen bool) error {
	name, value := "cgroup.freeze", "0"
	if frozen {
		value = "1"
	}
	if c.Version == V1 {
		name, value = "freezer.state", "THAWED"
		if frozen {
			value = "FROZEN"
		}
	}
	file, err := os.OpenFile(filepath.Join(c.Path, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteString(value)
	return err
}

// state returns the state of the cgroup's own setting. A cgroup that is frozen by a parent only counts as thawed.
func (c Cgroup) state() (state, error) {
	requested, complete, byParent, err := c.flags()
	switch {
	case err != nil:
		return "", err
	case requested && complete:
		return stateFrozen, nil
	case requested || complete && !byParent:
		return stateFreezing, nil
	default:
		return stateThawed, nil
	}
}

// flags returns whether a freeze is requested here, whether all processes are frozen, and whether by a parent.
func (c Cgroup) flags() (requested, complete, byParent bool, err error) {
	if c.Version == V1 {
		self, selfError := c.read("freezer.self_freezing")
		parent, parentError := c.read("freezer.parent_freezing")
		text, err := c.read("freezer.state")
		requested = self == "1"
		// On the way to either state the kernel says FREEZING.
		complete = text == "FROZEN" || text == "FREEZING" && !requested
		return requested, complete, parent == "1", errors.Join(selfError, parentError, err)
	}
	self, selfError := c.read("cgroup.freeze")
	events, err := c.read("cgroup.events")
	// The root of the hierarchy has no such file and cannot be frozen.
	parent, _ := Cgroup{V2, filepath.Dir(c.Path)}.read("cgroup.events")
	return self == "1", isFrozen(events), isFrozen(parent), errors.Join(selfError, err)
}

func isFrozen(events string) bool { return strings.Contains("\n"+events+"\n", "\nfrozen 1\n") }

func (c Cgroup) read(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(c.Path, name))
	return strings.TrimSpace(string(data)), err
}
