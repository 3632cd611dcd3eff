// The program lay takes a checkpoint of a running pod and lays a plan for another one, for tests of the restore:
//
//	lay checkpoint DIRECTORY TCP POD_UID NAME=CONTAINER_ID...
//	lay plan DIRECTORY POD_UID PLAN      copies the checkpoint in DIRECTORY; PLAN is JSON with fields of plan.json
//	lay damage DIRECTORY NAME PATH       overwrites a file of a container, and its sha256 in checkpoint.json
//	lay edit DIRECTORY OLD NEW           replaces a text in checkpoint.json
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/files"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/oci"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/pod"
	"cedana.ai/cdk/runtime/internal/restore"
)

const (
	runtimeRoot = "/run/containerd/runc/k8s.io"
	bundles     = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
	kubelet     = "/var/lib/kubelet/pods"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	switch os.Args[1] {
	case "checkpoint":
		take(os.Args[2], checkpoint.TCP(os.Args[3]), os.Args[4], os.Args[5:])
	case "plan":
		lay(os.Args[2], os.Args[3], os.Args[4])
	case "damage":
		damage(os.Args[2], os.Args[3], os.Args[4])
	case "edit":
		edit(os.Args[2], os.Args[3], os.Args[4])
	}
}

func take(directory string, tcp checkpoint.TCP, podUID string, containers []string) {
	check(os.MkdirAll(filepath.Join(directory, checkpoint.Volumes), 0o700))
	root, err := os.OpenRoot(directory)
	check(err)
	node, err := restore.ThisNode()
	check(err)
	slices.Sort(node.CPUFeatures)
	found := &checkpoint.Checkpoint{
		Version: 1, UID: "test", CreatedAt: time.Now().UTC(), TCP: tcp, Pod: checkpoint.Pod{UID: podUID, Namespace: "default", Name: "source"},
		Node: checkpoint.Node{
			Kernel: "test", Architecture: node.Architecture, CPUFeatures: node.CPUFeatures, Cgroup: node.Cgroup, CRIU: "test", Runc: "test",
		},
	}
	found.PodIPs, err = addressesOf(podUID)
	check(err)
	volumes := []string{}
	base := filepath.Join(kubelet, podUID, "volumes/kubernetes.io~empty-dir")
	entries, _ := os.ReadDir(base)
	for _, each := range entries {
		volumes = append(volumes, each.Name())
	}
	cgroups := []freezer.Cgroup{}
	type source struct {
		id, upper string
		container checkpoint.Container
	}
	sources, shm := []source{}, ""
	for _, each := range containers {
		name, id, _ := strings.Cut(each, "=")
		bundle := filepath.Join(bundles, id)
		text, err := oci.ReadConfig(bundle)
		check(err)
		spec, err := oci.ParseConfig(text)
		check(err)
		// The systemd driver names a unit: SLICE:PREFIX:NAME.
		cgroup, err := oci.CgroupDirectory(freezer.Root, spec.Linux.CgroupsPath, strings.Contains(spec.Linux.CgroupsPath, ":"))
		check(err)
		cgroups = append(cgroups, freezer.Cgroup{Version: node.Cgroup, Path: cgroup})
		upper := upperOf(filepath.Join(bundle, "rootfs"))
		for _, mount := range spec.Mounts {
			if mount.Destination == "/dev/shm" && mount.Type == "bind" {
				shm = mount.Source
			}
		}
		sources = append(sources, source{id, upper, checkpoint.Container{
			Name: name, Security: checkpoint.SecurityOf(spec), Mounts: checkpoint.MountsOf(spec, filepath.Join(kubelet, podUID), volumes), Terminal: spec.Process.Terminal,
		}})
	}
	check(freezer.Freeze(context.Background(), cgroups))
	began := time.Now()
	archive := func(name, from string, overlay bool) checkpoint.Archive {
		file, err := os.OpenFile(filepath.Join(directory, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		check(err)
		_, err = files.Pack(from, file, files.PackOptions{Overlay: overlay})
		check(err)
		check(file.Close())
		stored, err := checkpoint.ArchiveOf(root, name)
		check(err)
		return stored
	}
	failed := func() (err error) {
		defer func() { _ = freezer.Thaw(context.Background(), cgroups) }()
		for i, each := range sources {
			inside := filepath.Join(checkpoint.Containers, each.container.Name)
			images := filepath.Join(directory, inside, checkpoint.Images)
			if err := os.MkdirAll(images, 0o700); err != nil {
				return err
			}
			config := filepath.Join(directory, "..", "criu-dump.conf")
			args := []string{"--root", runtimeRoot, "checkpoint", "--leave-running", "--image-path", images, "--work-path", "/tmp/work-" + each.id, "--file-locks"}
			options := ""
			switch tcp {
			case checkpoint.TCPClose:
				options = "tcp-close\n"
			case checkpoint.TCPLoopback:
				args = append(args, "--tcp-established")
			}
			if each.container.Terminal {
				args = append(args, "--shell-job")
			}
			check(os.WriteFile(config, []byte(options), 0o600))
			check(os.MkdirAll(filepath.Join(filepath.Dir(config), criu.Plugins), 0o700))
			mark := criu.NewMark()
			command := exec.Command("runc", append(args, each.id)...)
			command.Env = criu.Environment(mark, config)
			var output bytes.Buffer
			command.Stdout, command.Stderr = &output, &output
			log := "/tmp/work-" + each.id + "/dump.log"
			if err := criu.Run(context.Background(), command, mark, log, criu.Limits{Time: time.Minute}); err != nil {
				return fmt.Errorf("%w: %s: %s", err, criu.FirstError(log), output.String())
			}
			entries, err := os.ReadDir(images)
			if err != nil {
				return err
			}
			for _, file := range entries {
				name := filepath.Join(checkpoint.Images, file.Name())
				stored, err := checkpoint.ArchiveOf(root, filepath.Join(inside, name))
				if err != nil {
					return err
				}
				each.container.Files = append(each.container.Files, checkpoint.FileEntry{Path: name, Archive: stored})
			}
			changes := archive(filepath.Join(inside, checkpoint.RootFS), each.upper, true)
			each.container.Files = append(each.container.Files, checkpoint.FileEntry{Path: checkpoint.RootFS, Archive: changes})
			sources[i] = each
			found.Containers = append(found.Containers, each.container)
		}
		for _, name := range volumes {
			from := filepath.Join(base, name)
			found.Volumes = append(found.Volumes, checkpoint.Volume{Name: name, Archive: archive(filepath.Join(checkpoint.Volumes, name+".tar"), from, false)})
		}
		if shm != "" {
			memory := archive(checkpoint.SharedMemory, shm, false)
			found.SharedMemory = &memory
		}
		return nil
	}()
	check(failed)
	found.FrozenNanoseconds = time.Since(began).Nanoseconds()
	check(checkpoint.Write(root, found))
}

// addressesOf returns the addresses of a pod.
func addressesOf(uid string) ([]string, error) {
	found, err := pod.Find(pod.ContainerdPaths(), uid)
	if err != nil {
		return nil, err
	}
	return found.Addresses()
}

// upperOf returns the upper directory of the overlay that is mounted at a path.
func upperOf(point string) string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	check(err)
	for line := range strings.SplitSeq(string(text), "\n") {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == point {
			_, rest, _ := strings.Cut(line, "upperdir=")
			upper, _, _ := strings.Cut(rest, ",")
			return upper
		}
	}
	check(fmt.Errorf("%s is not mounted", point))
	return ""
}

func lay(directory, uid, text string) {
	fields := plan.Plan{
		PodUID: uid, Checkpoint: "checkpoint", Deadline: time.Now().Add(time.Hour).UTC(), Fallback: plan.FallbackFresh, Restart: plan.RestartFresh,
	}
	check(json.Unmarshal([]byte(text), &fields))
	// A test lays a plan elsewhere to change it before it has its final name.
	base := plan.Directory
	if other := os.Getenv("LAY_DIRECTORY"); other != "" {
		base = other
	}
	check(os.MkdirAll(base, 0o700))
	temporary := filepath.Join(base, ".laying-"+uid)
	check(os.RemoveAll(temporary))
	check(os.Mkdir(temporary, 0o700))
	output, err := exec.Command("cp", "-a", directory, filepath.Join(temporary, fields.Checkpoint)).CombinedOutput()
	if err != nil {
		check(fmt.Errorf("%w: %s", err, output))
	}
	check(plan.Write(temporary, fields))
	check(os.Rename(temporary, filepath.Join(base, uid)))
}

// damage overwrites the second half of a file with zeros.
func damage(directory, container, name string) {
	root, err := os.OpenRoot(directory)
	check(err)
	path := filepath.Join(checkpoint.Containers, container, name)
	text, err := root.ReadFile(path)
	check(err)
	before, err := checkpoint.ArchiveOf(root, path)
	check(err)
	clear(text[len(text)/2:])
	check(root.WriteFile(path, text, 0o600))
	after, err := checkpoint.ArchiveOf(root, path)
	check(err)
	edit(directory, before.CRC32C, after.CRC32C)
}

func edit(directory, before, after string) {
	file := filepath.Join(directory, checkpoint.File)
	text, err := os.ReadFile(file)
	check(err)
	if !strings.Contains(string(text), before) {
		check(fmt.Errorf("%s does not contain %s", file, before))
	}
	check(os.WriteFile(file, []byte(strings.ReplaceAll(string(text), before, after)), 0o600))
}
