package dump

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/criu"
	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/pattern"
	"golang.org/x/sys/unix"
)

// nodeOf describes this node, without the version of the cgroup hierarchy.
func nodeOf(ctx context.Context, node *Node) (*checkpoint.Node, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	criuVersion, err := criu.Version(ctx, node.CRIU)
	if err != nil {
		return nil, err
	}
	runtimeVersion, err := runtimeVersion(ctx, node.Runtime)
	if err != nil {
		return nil, err
	}
	features, err := CPUFeatures()
	if err != nil {
		return nil, err
	}
	return &checkpoint.Node{
		Kernel: unix.ByteSliceToString(name.Release[:]), Architecture: runtime.GOARCH, CPUFeatures: features,
		CRIU: criuVersion, Runc: runtimeVersion,
	}, nil
}

var versionLine = pattern.New(`(?m)^runc version (\S+)$`)

func runtimeVersion(ctx context.Context, program string) (string, error) {
	output, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	match := versionLine().FindSubmatch(output)
	if match == nil {
		return "", fmt.Errorf("%s is not runc", program)
	}
	return string(match[1]), nil
}

// CPUFeatures returns the flags that all processors have, from /proc/cpuinfo, sorted.
func CPUFeatures() ([]string, error) {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return nil, err
	}
	return cpuFeatures(string(data)), nil
}

func cpuFeatures(cpuinfo string) []string {
	var common []string
	known := false
	for line := range strings.Lines(cpuinfo) {
		name, value, _ := strings.Cut(line, ":")
		// x86 has flags, arm64 has Features.
		if name = strings.TrimSpace(name); name != "flags" && name != "Features" {
			continue
		}
		flags := strings.Fields(value)
		if !known {
			common, known = flags, true
			continue
		}
		common = slices.DeleteFunc(common, func(each string) bool { return !slices.Contains(flags, each) })
	}
	common = append([]string{}, common...)
	slices.Sort(common)
	return slices.Compact(common)
}

// kill sends SIGKILL to all processes of frozen cgroups. They end when they are thawed, without running before.
func kill(cgroups []freezer.Cgroup) error {
	var errs []error
	for _, cgroup := range cgroups {
		if cgroup.Version == freezer.V2 {
			err := os.WriteFile(filepath.Join(cgroup.Path, "cgroup.kill"), []byte("1"), 0)
			// Kernels before 5.14 have no such file.
			if !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
				continue
			}
		}
		errs = append(errs, filepath.WalkDir(cgroup.Path, func(name string, entry os.DirEntry, err error) error {
			if err != nil || entry.Name() != "cgroup.procs" {
				return err
			}
			data, err := os.ReadFile(name)
			for pid := range strings.FieldsSeq(string(data)) {
				// Frozen processes keep their pids.
				number, parseError := strconv.Atoi(pid)
				if parseError != nil || number <= 0 {
					continue
				}
				if killError := unix.Kill(number, unix.SIGKILL); killError != unix.ESRCH {
					err = errors.Join(err, killError)
				}
			}
			return err
		}))
	}
	return errors.Join(errs...)
}
