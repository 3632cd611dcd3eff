package restore

import (
	"encoding/binary"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/images"
	"cedana.ai/cdk/runtime/internal/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// restricted is a container as Pod Security `restricted` demands it.
func restricted() *specs.Spec {
	spec := sample()
	spec.Process.NoNewPrivileges = true
	return spec
}

// ofRestricted are the credentials of its processes.
func ofRestricted() images.Credentials {
	return images.Credentials{
		UIDs: [4]uint32{1000, 1000, 1000, 1000}, GIDs: [4]uint32{1000, 1000, 1000, 1000}, Groups: []uint32{5, 1000},
		Bounding: 1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL, NoNewPrivileges: true, Seccomp: images.SeccompFilter,
	}
}

func TestCredentialsThatThePodPermits(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec, *images.Credentials){
		"those of its processes": func(*specs.Spec, *images.Credentials) {},
		"fewer capabilities":     func(_ *specs.Spec, c *images.Credentials) { c.Bounding, c.Groups = 0, nil },
		"another user by a file with the setuid bit": func(s *specs.Spec, c *images.Credentials) {
			s.Process.NoNewPrivileges = false
			c.UIDs, c.Effective, c.Permitted = [4]uint32{1000, 0, 0, 0}, 1<<unix.CAP_KILL, 1<<unix.CAP_KILL
		},
		"another user of root": func(s *specs.Spec, c *images.Credentials) {
			s.Process.User.UID = 0
			c.UIDs = [4]uint32{33, 33, 33, 33}
		},
		"no seccomp where the pod has none": func(s *specs.Spec, c *images.Credentials) {
			s.Linux.Seccomp = nil
			c.Seccomp = images.SeccompDisabled
		},
		"seccomp where the pod has none": func(s *specs.Spec, _ *images.Credentials) { s.Linux.Seccomp = nil },
	} {
		spec, credentials := restricted(), ofRestricted()
		change(spec, &credentials)
		if err := permits(spec, &credentials); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCredentialsThatThePodDoesNotPermit(t *testing.T) {
	const more = 1 << unix.CAP_SYS_ADMIN
	for name, each := range map[string]struct {
		change func(*images.Credentials)
		want   string
	}{
		"user":            {func(c *images.Credentials) { c.UIDs[0] = 0 }, "has the user 0"},
		"effective user":  {func(c *images.Credentials) { c.UIDs[1] = 0 }, "has the user 0"},
		"saved user":      {func(c *images.Credentials) { c.UIDs[2] = 0 }, "has the user 0"},
		"file user":       {func(c *images.Credentials) { c.UIDs[3] = 0 }, "has the user 0"},
		"group":           {func(c *images.Credentials) { c.GIDs[1] = 0 }, "has the group 0"},
		"groups":          {func(c *images.Credentials) { c.Groups = append(c.Groups, 0) }, "additional group 0"},
		"bounding set":    {func(c *images.Credentials) { c.Bounding |= more }, "bounding: 0x200000"},
		"effective set":   {func(c *images.Credentials) { c.Effective |= more }, "effective: 0x200000"},
		"permitted set":   {func(c *images.Credentials) { c.Permitted |= more }, "permitted: 0x200000"},
		"inheritable set": {func(c *images.Credentials) { c.Inheritable |= more }, "inheritable: 0x200000"},
		"ambient set":     {func(c *images.Credentials) { c.Ambient |= more }, "ambient: 0x200000"},
		"a capability above those that are known": {func(c *images.Credentials) { c.Bounding |= 1 << 60 }, "bounding"},
		"a permitted capability of its bounding set": {
			func(c *images.Credentials) { c.Permitted = 1 << unix.CAP_KILL }, "which the pod's user has not",
		},
		"no_new_privs": {func(c *images.Credentials) { c.NoNewPrivileges = false }, "no no_new_privs"},
		"seccomp":      {func(c *images.Credentials) { c.Seccomp = images.SeccompDisabled }, "no seccomp filter"},
	} {
		credentials := ofRestricted()
		each.change(&credentials)
		if err := permits(restricted(), &credentials); err == nil || !strings.Contains(err.Error(), each.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// coreOf returns core-1.img of a process of the container: its user and group, no capabilities, seccomp as the container has it.
func coreOf(spec *specs.Spec) []byte {
	number := func(message []byte, field, value uint64) []byte {
		return binary.AppendUvarint(binary.AppendUvarint(message, field<<3), value)
	}
	bytes := func(field uint64, content []byte) []byte {
		return append(binary.AppendUvarint(binary.AppendUvarint(nil, field<<3|2), uint64(len(content))), content...)
	}
	credentials := []byte{}
	for field := uint64(1); field <= 8; field += 2 {
		credentials = number(number(credentials, field, uint64(spec.Process.User.UID)), field+1, uint64(spec.Process.User.GID))
	}
	mode := uint64(images.SeccompDisabled)
	if spec.Linux.Seccomp != nil {
		mode = images.SeccompFilter
	}
	message := bytes(5, number(bytes(10, credentials), 11, mode))
	core := binary.LittleEndian.AppendUint32(nil, 0x54564319)
	core = binary.LittleEndian.AppendUint32(core, 0x55053847)
	return append(binary.LittleEndian.AppendUint32(core, uint32(len(message))), message...)
}

// The metadata of an artifact that was made, not taken, can claim what the new pod demands. Its images decide.
func TestCredentialsInTheImagesDecide(t *testing.T) {
	f := lay(t, "true", func(_ *plan.Plan, c *checkpoint.Checkpoint) {
		for i := range c.Containers {
			c.Containers[i].Security.NoNewPrivileges = true
		}
	})
	for _, spec := range f.specs {
		spec.Process.NoNewPrivileges = true
	}
	if outcome, err := f.create(t, "app", "a1"); outcome != Fresh || err != nil {
		t.Fatal(outcome, err)
	}
	if state := f.state(t); state.Reason != plan.ReasonIncompatible || !strings.Contains(state.Message, "core-1.img: a process has no no_new_privs") {
		t.Errorf("got %+v", state)
	}
}
