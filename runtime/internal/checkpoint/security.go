package checkpoint

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// SecurityOf returns what a config.json permits. Dump and restore both use it, so that equal configurations compare as
// equal whatever the order of their lists.
func SecurityOf(spec *specs.Spec) Security {
	security := Security{
		Groups: []uint32{}, Seccomp: Unconfined, MaskedPaths: pathsDigest(nil), ReadonlyPaths: pathsDigest(nil),
		Capabilities: capabilities(nil),
	}
	if process := spec.Process; process != nil {
		security.UID, security.GID = process.User.UID, process.User.GID
		security.Groups = sorted(process.User.AdditionalGids)
		security.Capabilities = capabilities(process.Capabilities)
		security.NoNewPrivileges = process.NoNewPrivileges
		security.AppArmor = process.ApparmorProfile
		security.SELinux = process.SelinuxLabel
	}
	if spec.Root != nil {
		security.ReadonlyRoot = spec.Root.Readonly
	}
	if linux := spec.Linux; linux != nil {
		security.MaskedPaths = pathsDigest(linux.MaskedPaths)
		security.ReadonlyPaths = pathsDigest(linux.ReadonlyPaths)
		if linux.Seccomp != nil {
			security.Seccomp = seccompDigest(linux.Seccomp)
		}
		security.UserNamespace = slices.ContainsFunc(linux.Namespaces, func(each specs.LinuxNamespace) bool {
			return each.Type == specs.UserNamespace
		})
	}
	return security
}

// EmptyDirs is the directory of a pod's emptyDir volumes below the directory that the kubelet has for the pod.
const EmptyDirs = "volumes/kubernetes.io~empty-dir"

// subPaths is the directory with the mounts of subPath, as VOLUME/CONTAINER/INDEX, below the pod's directory.
const subPaths = "volume-subpaths"

// MountsOf returns the mounts of a config.json in their order. A mount of an emptyDir, or of a path below it, has the
// name of the volume. PodDirectory is the kubelet's directory of the pod, as /var/lib/kubelet/pods/UID; volumes are the
// names of its emptyDir volumes, which tell a subPath of an emptyDir from one of another volume.
func MountsOf(spec *specs.Spec, podDirectory string, volumes []string) []Mount {
	mounts := []Mount{}
	for _, each := range spec.Mounts {
		mount := Mount{
			Destination: path.Clean(each.Destination), Type: each.Type,
			// Of contradicting options the last one counts (runc, libcontainer/specconv).
			ReadOnly: lastIndex(each.Options, "ro") > lastIndex(each.Options, "rw"),
		}
		if relative, found := strings.CutPrefix(each.Source, podDirectory+"/"); found && podDirectory != "" {
			for _, parent := range []string{EmptyDirs, subPaths} {
				rest, found := strings.CutPrefix(relative, parent+"/")
				name, _, _ := strings.Cut(rest, "/")
				if found && slices.Contains(volumes, name) {
					mount.Volume = name
				}
			}
		}
		mounts = append(mounts, mount)
	}
	return mounts
}

func lastIndex(list []string, value string) int {
	for i, each := range slices.Backward(list) {
		if each == value {
			return i
		}
	}
	return -1
}

func capabilities(from *specs.LinuxCapabilities) Capabilities {
	if from == nil {
		from = &specs.LinuxCapabilities{}
	}
	return Capabilities{
		Bounding: sorted(from.Bounding), Effective: sorted(from.Effective), Permitted: sorted(from.Permitted),
		Inheritable: sorted(from.Inheritable), Ambient: sorted(from.Ambient),
	}
}

// sorted returns a sorted copy without duplicates; never nil, so that it is [] in JSON.
func sorted[T string | uint32](list []T) []T {
	copied := append([]T{}, list...)
	slices.Sort(copied)
	return slices.Compact(copied)
}

func pathsDigest(paths []string) string {
	text := ""
	for _, each := range sorted(paths) {
		text += each + "\n"
	}
	return sum([]byte(text))
}

// seccompDigest ignores listenerPath and listenerMetadata, which name a socket of the pod, not a rule.
func seccompDigest(profile *specs.LinuxSeccomp) string {
	rules := *profile
	rules.ListenerPath, rules.ListenerMetadata = "", ""
	// A struct of strings and numbers always has a JSON form.
	data, _ := json.Marshal(rules)
	return sum(data)
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}
