package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/cuda"
	"cedana.ai/cdk/runtime/internal/pattern"
	"cedana.ai/cdk/runtime/internal/strictjson"
)

// Limits of checkpoint.json. CRIU writes about 3 files a process and one a thread, so 16384 files are 5000 processes.
const (
	// MaxBytes is the largest checkpoint.json: 16384 files with 200 bytes each, and the rest.
	MaxBytes      = 4 << 20
	maxContainers = 64
	maxVolumes    = 256
	maxMounts     = 1024
	maxFiles      = 16384
	maxText       = 4096
	maxList       = 4096
)

var (
	// label is a DNS label of RFC 1123: names of containers and volumes.
	label    = pattern.New(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	digest   = pattern.New(`^[0-9a-f]{64}$`)
	checksum = pattern.New(`^[0-9a-f]{8}$`)
	uid      = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)
	reason   = pattern.New(`^[A-Z][A-Za-z0-9]{0,63}$`)
	host     = pattern.New(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$`)
)

// IsName says if a string is a valid name of a container or volume: a DNS label of at most 63 characters. Such a name is
// safe as a file name.
func IsName(name string) bool { return label().MatchString(name) }

// IsUID says if a string can identify a checkpoint or pod. Such a string is safe as a file name.
func IsUID(text string) bool { return uid().MatchString(text) && !strings.Contains(text, "..") }

// Parse reads and validates checkpoint.json. It returns an error that names the first invalid field.
func Parse(r io.Reader) (*Checkpoint, error) {
	var c Checkpoint
	if err := strictjson.Decode(r, MaxBytes, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", File, err)
	}
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", File, err)
	}
	return &c, nil
}

// Validate checks every field and that names and paths are unique.
func (c *Checkpoint) Validate() error {
	if c.Version != Version {
		return fmt.Errorf("version is %d, this program reads version %d", c.Version, Version)
	}
	checks := []error{
		want(IsUID(c.UID), "uid", c.UID),
		want(!c.CreatedAt.IsZero(), "createdAt", "0"),
		want(c.FrozenNanoseconds >= 0, "frozenNanoseconds", c.FrozenNanoseconds),
		c.PreDump.validate(c.FrozenNanoseconds),
		want(slices.Contains([]TCP{TCPClose, TCPLoopback, TCPRefuse}, c.TCP), "tcp", c.TCP),
		want(c.Hostname == "" || host().MatchString(c.Hostname), "hostname", c.Hostname),
		want(IsUID(c.Pod.UID), "pod.uid", c.Pod.UID),
		want(IsName(c.Pod.Namespace), "pod.namespace", c.Pod.Namespace),
		want(IsUID(c.Pod.Name) && len(c.Pod.Name) <= 253, "pod.name", c.Pod.Name),
		c.Node.validate(),
		want(len(c.PodIPs) <= 16, "podIPs", len(c.PodIPs)),
		want(len(c.Containers) > 0 && len(c.Containers) <= maxContainers, "containers", len(c.Containers)),
		want(len(c.Volumes) <= maxVolumes, "volumes", len(c.Volumes)),
	}
	for _, ip := range c.PodIPs {
		_, err := netip.ParseAddr(ip)
		checks = append(checks, want(err == nil, "podIPs", ip))
	}
	if err := first(checks); err != nil {
		return err
	}
	volumes := map[string]bool{}
	for _, each := range c.Volumes {
		if !IsName(each.Name) || volumes[each.Name] {
			return fmt.Errorf("volume %q is invalid or named twice", each.Name)
		}
		volumes[each.Name] = true
		if err := each.validate(); err != nil {
			return fmt.Errorf("volume %s: %w", each.Name, err)
		}
	}
	if c.SharedMemory != nil {
		if err := c.SharedMemory.validate(); err != nil {
			return fmt.Errorf("sharedMemory: %w", err)
		}
	}
	names, passes := map[string]bool{}, 0
	for _, each := range c.Containers {
		if !IsName(each.Name) || names[each.Name] {
			return fmt.Errorf("container %q is invalid or named twice", each.Name)
		}
		names[each.Name] = true
		if err := each.validate(volumes); err != nil {
			return fmt.Errorf("container %s: %w", each.Name, err)
		}
		passes = max(passes, passesOf(each.Files))
	}
	if c.PreDump != nil && c.PreDump.Passes != passes || c.PreDump == nil && passes > 0 {
		return fmt.Errorf("preDump.passes is not the number of directories %s, %d", Parent, passes)
	}
	return nil
}

func (p *PreDump) validate(frozen int64) error {
	if p == nil {
		return nil
	}
	return first([]error{
		want(p.Passes >= 0 && p.Passes <= MaxPasses, "preDump.passes", p.Passes),
		want(p.FrozenNanoseconds >= 0 && p.FrozenNanoseconds <= frozen, "preDump.frozenNanoseconds", p.FrozenNanoseconds),
		want(reason().MatchString(p.Reason) || p.Reason == "" && p.Passes > 0, "preDump.reason", p.Reason),
		want(p.Message == "" || text(p.Message, maxText), "preDump.message", p.Message),
	})
}

func (n *Node) validate() error {
	return first([]error{
		want(text(n.Kernel, 256), "node.kernel", n.Kernel),
		want(n.Architecture == "amd64" || n.Architecture == "arm64", "node.architecture", n.Architecture),
		want(n.Cgroup == "v1" || n.Cgroup == "v2", "node.cgroup", n.Cgroup),
		want(text(n.CRIU, 64), "node.criu", n.CRIU),
		want(text(n.Runc, 64), "node.runc", n.Runc),
		want(texts(n.CPUFeatures, 64), "node.cpuFeatures", len(n.CPUFeatures)),
	})
}

func (c *Container) validate(volumes map[string]bool) error {
	s := &c.Security
	isDigest := func(text string) bool { return digest().MatchString(text) }
	checks := []error{
		want(c.ID == "" || IsUID(c.ID), "id", c.ID),
		want(c.Image == "" || isDigest(strings.TrimPrefix(c.Image, "sha256:")) && c.Image[0] == 's', "image", c.Image),
		want(s.Seccomp == Unconfined || isDigest(s.Seccomp), "security.seccomp", s.Seccomp),
		want(isDigest(s.MaskedPaths), "security.maskedPaths", s.MaskedPaths),
		want(isDigest(s.ReadonlyPaths), "security.readonlyPaths", s.ReadonlyPaths),
		want(s.AppArmor == "" || text(s.AppArmor, maxText), "security.apparmor", s.AppArmor),
		want(s.SELinux == "" || text(s.SELinux, maxText), "security.selinux", s.SELinux),
		want(len(s.Groups) <= maxList, "security.groups", len(s.Groups)),
		want(len(c.Mounts) <= maxMounts, "mounts", len(c.Mounts)),
		want(len(c.Files) > 0 && len(c.Files) <= maxFiles, "files", len(c.Files)),
	}
	for name, list := range map[string][]string{
		"bounding": s.Capabilities.Bounding, "effective": s.Capabilities.Effective,
		"permitted": s.Capabilities.Permitted, "inheritable": s.Capabilities.Inheritable,
		"ambient": s.Capabilities.Ambient,
	} {
		checks = append(checks, want(texts(list, 64), "security.capabilities."+name, len(list)))
	}
	checks = append(checks, c.GPU.validate())
	if err := first(checks); err != nil {
		return err
	}
	destinations := map[string]bool{}
	for _, each := range c.Mounts {
		switch {
		case !path.IsAbs(each.Destination) || !text(each.Destination, maxText):
			return fmt.Errorf("mount %q is not an absolute path", each.Destination)
		case destinations[each.Destination]:
			return fmt.Errorf("mount %s is named twice", each.Destination)
		case each.Type != "" && !text(each.Type, 64):
			return fmt.Errorf("mount %s: type %q is invalid", each.Destination, each.Type)
		case each.Volume != "" && !volumes[each.Volume]:
			return fmt.Errorf("mount %s: volume %q is not in the checkpoint", each.Destination, each.Volume)
		}
		destinations[each.Destination] = true
	}
	paths := map[string]bool{}
	for _, each := range c.Files {
		if !isFilePath(each.Path) || paths[each.Path] {
			return fmt.Errorf("file %q is invalid or named twice", each.Path)
		}
		paths[each.Path] = true
		if err := each.Archive.validate(); err != nil {
			return fmt.Errorf("file %s: %w", each.Path, err)
		}
	}
	for name := range paths {
		if name == RootFS {
			continue
		}
		// All files of a set and of those that it depends on.
		for set := path.Dir(name); set != "."; set = path.Dir(set) {
			if !paths[set+"/inventory.img"] {
				return fmt.Errorf("CRIU's image set %s has no inventory.img", set)
			}
		}
	}
	if !paths[Images+"/inventory.img"] {
		return errors.New("CRIU's image set has no inventory.img")
	}
	return nil
}

func (g *GPU) validate() error {
	if g == nil {
		return nil
	}
	checks := []error{
		want(g.Processes > 0 && g.Processes <= maxList, "gpu.processes", g.Processes),
		want(text(g.Driver, 64), "gpu.driver", g.Driver),
		want(len(g.Devices) <= maxContainers, "gpu.devices", len(g.Devices)),
	}
	for _, each := range g.Devices {
		checks = append(checks, want(cuda.IsGPU(each.Path), "gpu.devices.path", each.Path), want(text(each.Model, 256), "gpu.devices.model", each.Model))
	}
	return first(checks)
}

// isFilePath accepts rootfs.tar and a file name below images, or below a directory of an earlier pass in it.
func isFilePath(name string) bool {
	if name == RootFS {
		return true
	}
	base, found := strings.CutPrefix(name, Images+"/")
	for range MaxPasses {
		base = strings.TrimPrefix(base, Parent+"/")
	}
	return found && base != "" && base != Parent && base[0] != '.' && !strings.Contains(base, "/") && text(base, 255)
}

// passesOf returns the number of pre-dumps on which the image set of a container depends.
func passesOf(files []FileEntry) int {
	passes := 0
	for _, each := range files {
		// images/NAME, images/parent/NAME, ...
		passes = max(passes, strings.Count(each.Path, "/")-1)
	}
	return passes
}

func (a *Archive) validate() error {
	return first([]error{want(a.Size >= 0, "size", a.Size), want(checksum().MatchString(a.CRC32C), "crc32c", a.CRC32C)})
}

func want(valid bool, field string, value any) error {
	if valid {
		return nil
	}
	shown := fmt.Sprint(value)
	if len(shown) > 80 {
		shown = shown[:80] + "..."
	}
	return fmt.Errorf("%s is invalid: %q", field, shown)
}

func first(list []error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// text accepts 1 to limit bytes without control characters.
func text(value string, limit int) bool {
	return value != "" && len(value) <= limit && !strings.ContainsFunc(value, func(r rune) bool { return r < 32 || r == 127 })
}

func texts(list []string, limit int) bool {
	return len(list) <= maxList && !slices.ContainsFunc(list, func(each string) bool { return !text(each, limit) })
}
