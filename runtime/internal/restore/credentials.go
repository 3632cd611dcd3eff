package restore

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/images"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// compareCredentials checks the credentials of all threads in CRIU's images, which CRIU restores as root. The metadata of a
// checkpoint says what its container was permitted, but its images decide: an artifact that was made, not taken, can have others.
func (r *run) compareCredentials() error {
	// A pattern without special characters.
	cores, err := filepath.Glob(filepath.Join(r.images(), "core-*.img"))
	if err != nil {
		return err
	}
	if len(cores) == 0 {
		return fmt.Errorf("the checkpoint has no credentials: its images have no core-*.img")
	}
	for _, core := range cores {
		if err := compareCore(core, r.spec); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(core), err)
		}
	}
	return nil
}

func compareCore(core string, spec *specs.Spec) error {
	file, err := os.Open(core)
	if err != nil {
		return err
	}
	defer file.Close()
	credentials, err := images.ReadCredentials(file)
	if err != nil || credentials == nil {
		return err
	}
	return permits(spec, credentials)
}

// permits returns the first reason why a process of the container could not have these credentials.
//
// Not compared: the filters of seccomp, only whether there is one; the label of AppArmor, which the metadata has.
func permits(spec *specs.Spec, has *images.Credentials) error {
	process := spec.Process
	if process == nil {
		return fmt.Errorf("the container has no process")
	}
	granted := process.Capabilities
	if granted == nil {
		granted = &specs.LinuxCapabilities{}
	}
	bounding := capabilitySet(granted.Bounding)
	for _, each := range []struct {
		name string
		set  uint64
	}{
		{"bounding", has.Bounding}, {"effective", has.Effective}, {"permitted", has.Permitted},
		{"inheritable", has.Inheritable}, {"ambient", has.Ambient},
	} {
		if more := each.set &^ bounding; more != 0 {
			return fmt.Errorf("a process has capabilities that the pod does not permit (%s: %#x)", each.name, more)
		}
	}
	if process.NoNewPrivileges && !has.NoNewPrivileges {
		return fmt.Errorf("a process has no no_new_privs, the pod has")
	}
	if spec.Linux != nil && spec.Linux.Seccomp != nil && has.Seccomp == images.SeccompDisabled {
		return fmt.Errorf("a process has no seccomp filter, the pod has")
	}
	if !process.NoNewPrivileges || process.User.UID == 0 || len(granted.Ambient) > 0 {
		// Such a process can get other identifiers by capabilities, or by files with the setuid bit.
		return nil
	}
	// The kernel takes capabilities from a process of another user than root when it starts its program.
	if all := has.Effective | has.Permitted | has.Ambient; all != 0 {
		return fmt.Errorf("a process has the capabilities %#x, which the pod's user has not", all)
	}
	for _, each := range has.UIDs {
		if each != process.User.UID {
			return fmt.Errorf("a process has the user %d, the pod has %d", each, process.User.UID)
		}
	}
	for _, each := range has.GIDs {
		if each != process.User.GID {
			return fmt.Errorf("a process has the group %d, the pod has %d", each, process.User.GID)
		}
	}
	for _, each := range has.Groups {
		if each != process.User.GID && !slices.Contains(process.User.AdditionalGids, each) {
			return fmt.Errorf("a process has the additional group %d, which the pod has not", each)
		}
	}
	return nil
}

// capabilitySet returns the set of capabilities with these names. The names that are not known are not in it.
func capabilitySet(names []string) uint64 {
	set := uint64(0)
	for number, name := range checkpoint.CapabilityNames {
		if slices.Contains(names, name) {
			set |= 1 << number
		}
	}
	return set
}
