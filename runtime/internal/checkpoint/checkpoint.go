// Package checkpoint describes the directory of one pod checkpoint: what the host service writes, what the agent pushes
// as an OCI artifact, and what a restore consumes.
//
//	checkpoint.json
//	containers/NAME/images/       image set of CRIU
//	containers/NAME/images/parent/    the memory that a pre-dump wrote, if there was one
//	containers/NAME/rootfs.tar    changes of the root file system, as an OCI layer
//	volumes/NAME.tar              content of an emptyDir
//	shm.tar                       content of the pod's /dev/shm
package checkpoint

import "time"

// Version is the version of checkpoint.json that this module writes and reads.
const Version = 1

// Names in the directory of a checkpoint.
const (
	// File is the name of the metadata.
	File = "checkpoint.json"
	// Containers is the directory with a directory for each container.
	Containers = "containers"
	// Images is the directory of CRIU's image set, inside the directory of a container.
	Images = "images"
	// Parent is the directory of the image set of an earlier pass, inside an image set: what did not change since is only
	// there. CRIU reads it by this name. It usually is a link to a directory elsewhere; here it is the directory itself, so
	// that a checkpoint has no links.
	Parent = "parent"
	// MaxPasses is the largest number of pre-dumps, so of directories Parent in each other.
	MaxPasses = 2
	// RootFS is the archive of the changes of the root file system, inside the directory of a container.
	RootFS = "rootfs.tar"
	// Volumes is the directory with an archive for each volume.
	Volumes = "volumes"
	// SharedMemory is the archive of the pod's /dev/shm.
	SharedMemory = "shm.tar"
)

// Checkpoint is the content of checkpoint.json.
type Checkpoint struct {
	Version int `json:"version"`
	// UID identifies the checkpoint: the UID of the Checkpoint object.
	UID       string    `json:"uid"`
	CreatedAt time.Time `json:"createdAt"`
	Pod       Pod       `json:"pod"`
	Node      Node      `json:"node"`
	TCP       TCP       `json:"tcp"`
	// PodIPs are the addresses of the pod at the checkpoint, IPv4 or IPv6.
	PodIPs []string `json:"podIPs"`
	// Hostname is the host name of the pod at the checkpoint.
	Hostname   string      `json:"hostname"`
	Containers []Container `json:"containers"`
	// Volumes are the emptyDir volumes of the pod that a container of the checkpoint mounts.
	Volumes []Volume `json:"volumes"`
	// SharedMemory is the archive of /dev/shm; absent if the containers do not share the sandbox's.
	SharedMemory *Archive `json:"sharedMemory,omitempty"`
	// FrozenNanoseconds is how long the processes stood still: the time between the freeze of the first container and the
	// thaw of the last one, and before it PreDump.FrozenNanoseconds.
	FrozenNanoseconds int64 `json:"frozenNanoseconds"`
	// PreDump says what was dumped while the pod ran, or why nothing was.
	PreDump *PreDump `json:"preDump,omitempty"`
}

// PreDump is what a checkpoint dumped before the freeze, while the pod ran. The dump then wrote only what changed since.
type PreDump struct {
	// Passes is the largest number of pre-dumps of a container; 0 if all memory was dumped while it was frozen.
	Passes int `json:"passes"`
	// FrozenNanoseconds is how long the pre-dumps stopped the processes, of the container with the longest time.
	FrozenNanoseconds int64 `json:"frozenNanoseconds,omitempty"`
	// Reason says why there was no pre-dump, or no whole one, in the form of a condition's reason. It is not empty if
	// Passes is 0.
	Reason string `json:"reason,omitempty"`
	// Message has the details of the reason.
	Message string `json:"message,omitempty"`
}

// Pod identifies the pod that was checkpointed.
type Pod struct {
	UID       string `json:"uid"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// Node describes where the checkpoint was taken. A restore compares architecture and CPU features.
type Node struct {
	// Kernel is the release of the kernel, as in uname -r.
	Kernel string `json:"kernel"`
	// Architecture is the architecture in the words of Go and OCI: amd64, arm64.
	Architecture string `json:"architecture"`
	// CPUFeatures are the flags of /proc/cpuinfo, sorted.
	CPUFeatures []string `json:"cpuFeatures"`
	// Cgroup is the version of the cgroup hierarchy with the containers' freezer: v1 or v2.
	Cgroup string `json:"cgroup"`
	// CRIU is the version of CRIU, as 4.2.1.
	CRIU string `json:"criu"`
	// Runc is the version of the OCI runtime, as 1.4.3.
	Runc string `json:"runc"`
}

// TCP says what a checkpoint does with established TCP connections.
type TCP string

const (
	// TCPClose closes them in the restored process.
	TCPClose TCP = "close"
	// TCPLoopback keeps those over loopback. Connections to other pods are reset after the restore.
	TCPLoopback TCP = "loopback"
	// TCPRefuse fails the checkpoint if there is one.
	TCPRefuse TCP = "refuse"
)

// Container is one container of the checkpoint.
type Container struct {
	// Name is the name of the container in the pod.
	Name string `json:"name"`
	// ID is the ID of the container that was dumped, in the container runtime.
	ID string `json:"id"`
	// Image is the digest of the base image, as sha256:HEX; empty if the runtime does not say it.
	Image    string   `json:"image"`
	Security Security `json:"security"`
	Mounts   []Mount  `json:"mounts"`
	// Terminal is true for a container with a tty.
	Terminal bool `json:"terminal"`
	// GPU is there if processes of the container used a GPU by CUDA.
	GPU *GPU `json:"gpu,omitempty"`
	// Files are all files below containers/NAME, sorted by path. The path is relative to that directory.
	Files []FileEntry `json:"files"`
}

// GPU is what a restore needs for processes that used a GPU by CUDA. Their memory on the GPU is in CRIU's images.
type GPU struct {
	// Processes is their number.
	Processes int `json:"processes"`
	// Driver is the version of NVIDIA's driver, as 580.159.04. The processes have its libraries mapped.
	Driver string `json:"driver"`
	// Devices are the GPUs that they had open, sorted by path.
	Devices []GPUDevice `json:"devices"`
}

// GPUDevice is a GPU, by the path that it has in the container and on the node.
type GPUDevice struct {
	Path string `json:"path"`
	// Model is as "NVIDIA H200".
	Model string `json:"model"`
}

// FileEntry is one file with its path.
type FileEntry struct {
	Path string `json:"path"`
	Archive
}

// Archive is a tar archive, or another file, with its size in bytes and its checksum: 8 hexadecimal digits. That finds
// accidental damage on the disk. What protects a checkpoint in a registry is the sha256 of each layer, which takes eight times
// as long.
type Archive struct {
	Size   int64  `json:"size"`
	CRC32C string `json:"crc32c"`
}

// Volume is the archive volumes/NAME.tar of an emptyDir.
type Volume struct {
	// Name is the name of the volume in the pod.
	Name string `json:"name"`
	Archive
}

// Mount is one mount of a container. A restore compares them by destination.
type Mount struct {
	Destination string `json:"destination"`
	// Type is the type in config.json: bind, proc, tmpfs, ...
	Type string `json:"type"`
	// Volume is the name of the pod's emptyDir that is mounted; empty for other mounts.
	Volume string `json:"volume,omitempty"`
	// ReadOnly says that the mount is read-only. A restored process keeps it.
	ReadOnly bool `json:"readOnly,omitempty"`
}

// Security is what the container's processes are permitted to do. A restored process keeps it, so the new pod must have
// the same.
type Security struct {
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	// Groups are the additional groups, sorted.
	Groups       []uint32     `json:"groups"`
	Capabilities Capabilities `json:"capabilities"`
	// NoNewPrivileges is the flag no_new_privs.
	NoNewPrivileges bool `json:"noNewPrivileges"`
	// Seccomp is the sha256 of the profile as JSON, or Unconfined.
	Seccomp string `json:"seccomp"`
	// AppArmor is the name of the profile; empty for none.
	AppArmor string `json:"apparmor"`
	// SELinux is the process label; empty for none.
	SELinux string `json:"selinux"`
	// ReadonlyRoot says that the root file system is mounted read-only.
	ReadonlyRoot bool `json:"readonlyRoot"`
	// MaskedPaths and ReadonlyPaths are the sha256 of the sorted paths, a newline after each.
	MaskedPaths   string `json:"maskedPaths"`
	ReadonlyPaths string `json:"readonlyPaths"`
	// UserNamespace says that the container has a user namespace.
	UserNamespace bool `json:"userNamespace"`
}

// Unconfined is the value of Security.Seccomp without a profile.
const Unconfined = "unconfined"

// Capabilities are sorted names as in config.json: CAP_CHOWN.
type Capabilities struct {
	Bounding    []string `json:"bounding"`
	Effective   []string `json:"effective"`
	Permitted   []string `json:"permitted"`
	Inheritable []string `json:"inheritable"`
	Ambient     []string `json:"ambient"`
}
