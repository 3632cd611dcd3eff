package restore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/namespace"
	"cedana.ai/cdk/runtime/internal/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Node is what a restore needs of this node.
type Node struct {
	// Architecture is in the words of Go and OCI: amd64, arm64.
	Architecture string
	// CPUFeatures are the flags of /proc/cpuinfo.
	CPUFeatures []string
	// Cgroup is the version of the cgroup hierarchy: v1 or v2.
	Cgroup string
}

// ThisNode reads the properties of this node.
func ThisNode() (Node, error) {
	node := Node{Architecture: runtime.GOARCH, Cgroup: "v1"}
	if _, err := os.Stat(cgroupMount + "/cgroup.controllers"); err == nil {
		node.Cgroup = "v2"
	}
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return Node{}, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if key = strings.TrimSpace(key); key == "flags" || key == "Features" {
			node.CPUFeatures = strings.Fields(value)
			return node, nil
		}
	}
	return node, lines.Err()
}

// compareNode returns all differences between the checkpoint's node and this one that a process cannot survive.
//
// A process keeps the functions that it chose by the processor's features, and what it knows of its cgroup: a program of Go
// 1.26 has cpu.cfs_quota_us open with cgroup v1, and cpu.max with v2.
func compareNode(source checkpoint.Node, here Node) error {
	differences, missing := []string{}, []string{}
	if source.Architecture != here.Architecture {
		return fmt.Errorf("the architecture is %s, at the checkpoint it was %s", here.Architecture, source.Architecture)
	}
	if source.Cgroup != here.Cgroup {
		differences = append(differences, fmt.Sprintf("the node has cgroup %s, at the checkpoint it had %s", here.Cgroup, source.Cgroup))
	}
	for _, each := range source.CPUFeatures {
		if usedByPrograms(each) && !slices.Contains(here.CPUFeatures, each) {
			missing = append(missing, each)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		differences = append(differences, "the processor lacks "+strings.Join(missing, ", "))
	}
	if len(differences) > 0 {
		return errors.New(strings.Join(differences, "; "))
	}
	return nil
}

// usedByPrograms says if a flag of /proc/cpuinfo stands for instructions or registers of user programs. The names of
// the others (virtualization, mitigations, power) differ between kernels on equal processors. On arm64 all flags are
// hardware capabilities of user programs. Programs can use protection keys (pku) only where the kernel shows ospke, and
// xsaves is an instruction of the kernel.
func usedByPrograms(flag string) bool {
	if runtime.GOARCH != "amd64" {
		return true
	}
	if flag == "xsaves" {
		return false
	}
	for _, prefix := range []string{
		"sse", "avx", "amx", "apx", "aes", "sha", "fma", "bmi", "xsave", "vaes", "gfni", "sm3", "sm4", "user_shstk",
	} {
		if strings.HasPrefix(flag, prefix) {
			return true
		}
	}
	return slices.Contains([]string{
		"3dnowprefetch", "abm", "adx", "cldemote", "clflush", "clflushopt", "clwb", "clzero", "cmov", "cmpccxadd", "cx16",
		"cx8", "enqcmd", "f16c", "fpu", "fsgsbase", "fxsr", "hle", "lahf_lm", "lwp", "mmx", "movbe", "movdir64b", "movdiri",
		"mwaitx", "ospke", "pclmulqdq", "pni", "popcnt", "rdpid", "rdpru", "rdrand", "rdseed", "rdtscp", "rtm", "serialize",
		"ssse3", "syscall", "tbm", "vpclmulqdq", "waitpkg", "xop",
	}, flag)
}

// compareContainer returns the first difference between a container of the checkpoint and the new pod's configuration
// because of which the restored process would have more than the new pod may have, or would lack what it uses.
func compareContainer(source *checkpoint.Container, spec *specs.Spec) error {
	if err := compareSecurity(source.Security, checkpoint.SecurityOf(spec)); err != nil {
		return err
	}
	if source.Terminal != spec.Process.Terminal {
		return fmt.Errorf("tty is %t, at the checkpoint it was %t", spec.Process.Terminal, source.Terminal)
	}
	for _, each := range []struct {
		kind specs.LinuxNamespaceType
		of   namespace.Kind
	}{
		{specs.NetworkNamespace, namespace.Network}, {specs.IPCNamespace, namespace.IPC}, {specs.UTSNamespace, namespace.UTS},
		{specs.PIDNamespace, namespace.Process}, {specs.MountNamespace, namespace.Mount},
	} {
		path, separate := oci.Namespace(spec, each.kind)
		if separate && path != "" {
			// containerd names the namespace of the sandbox also if the pod has the node's.
			node, err := each.of.IsNodes(path)
			if err != nil {
				return fmt.Errorf("the container's %s namespace: %w", each.kind, err)
			}
			separate = !node
		}
		if !separate {
			return fmt.Errorf("the container has the node's %s namespace", each.kind)
		}
	}
	return compareMounts(source.Mounts, spec)
}

func compareSecurity(source, here checkpoint.Security) error {
	differs := func(what string, was, is any) error {
		return fmt.Errorf("%s is %v, at the checkpoint it was %v", what, is, was)
	}
	switch {
	case source.UID != here.UID:
		return differs("the user", source.UID, here.UID)
	case source.GID != here.GID:
		return differs("the group", source.GID, here.GID)
	case !slices.Equal(source.Groups, here.Groups):
		return differs("the list of additional groups", source.Groups, here.Groups)
	case here.NoNewPrivileges && !source.NoNewPrivileges:
		return differs("no_new_privs", source.NoNewPrivileges, here.NoNewPrivileges)
	case here.ReadonlyRoot && !source.ReadonlyRoot:
		return differs("a read-only root file system", source.ReadonlyRoot, here.ReadonlyRoot)
	case source.Seccomp != here.Seccomp && here.Seccomp != checkpoint.Unconfined:
		return differs("the seccomp profile", source.Seccomp, here.Seccomp)
	case source.AppArmor != here.AppArmor && here.AppArmor != "" && here.AppArmor != checkpoint.Unconfined:
		return differs("the AppArmor profile", source.AppArmor, here.AppArmor)
	case source.SELinux != here.SELinux:
		return differs("the SELinux label", source.SELinux, here.SELinux)
	case source.MaskedPaths != here.MaskedPaths:
		return fmt.Errorf("the masked paths differ")
	case source.ReadonlyPaths != here.ReadonlyPaths:
		return fmt.Errorf("the read-only paths differ")
	case source.UserNamespace || here.UserNamespace:
		// The kubelet gives each pod other IDs of the node. CRIU would restore those of the checkpoint's pod.
		return fmt.Errorf("a user namespace cannot be restored")
	}
	was, is := source.Capabilities, here.Capabilities
	for _, each := range []struct {
		name    string
		was, is []string
	}{
		{"bounding", was.Bounding, is.Bounding}, {"effective", was.Effective, is.Effective},
		{"permitted", was.Permitted, is.Permitted}, {"inheritable", was.Inheritable, is.Inheritable},
		{"ambient", was.Ambient, is.Ambient},
	} {
		for _, capability := range each.was {
			if !slices.Contains(each.is, capability) {
				return fmt.Errorf("the pod does not permit %s, which the checkpoint has (%s)", capability, each.name)
			}
		}
	}
	return nil
}

// compareMounts compares by destination: a mount that is missing makes CRIU fail, and one too many would be missing in
// the restored process without an error.
func compareMounts(source []checkpoint.Mount, spec *specs.Spec) error {
	here := map[string]checkpoint.Mount{}
	for _, each := range checkpoint.MountsOf(spec, "", nil) {
		here[each.Destination] = each
	}
	for _, was := range source {
		is, found := here[was.Destination]
		switch {
		case !found:
			return fmt.Errorf("the pod has no mount at %s", was.Destination)
		case is.Type != was.Type:
			return fmt.Errorf("the mount at %s has type %s, at the checkpoint it had %s", was.Destination, is.Type, was.Type)
		case is.ReadOnly && !was.ReadOnly:
			return fmt.Errorf("the mount at %s is read-only, at the checkpoint it was not", was.Destination)
		}
		if was.Volume != "" && volumeName(sourceOf(spec, was.Destination)) != was.Volume {
			return fmt.Errorf("the mount at %s is not the emptyDir %s", was.Destination, was.Volume)
		}
		delete(here, was.Destination)
	}
	for destination := range here {
		return fmt.Errorf("the checkpoint has no mount at %s", destination)
	}
	return nil
}

func sourceOf(spec *specs.Spec, destination string) string {
	for _, each := range spec.Mounts {
		if path.Clean(each.Destination) == destination {
			return each.Source
		}
	}
	return ""
}
