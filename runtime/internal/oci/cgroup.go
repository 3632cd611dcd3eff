package oci

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// CgroupDirectory returns the directory of a container's cgroup that lists its processes: in the unified hierarchy of
// cgroup v2, or in the freezer's of v1. mount is where cgroups are mounted, /sys/fs/cgroup by default. The path is
// cgroupsPath of config.json: with the systemd driver it is SLICE:PREFIX:NAME.
func CgroupDirectory(mount, path string, systemd bool) (string, error) {
	if systemd {
		parts := strings.Split(path, ":")
		if len(parts) != 3 || parts[2] == "" {
			return "", errors.New("cgroupsPath is not SLICE:PREFIX:NAME")
		}
		slice, err := expandSlice(parts[0])
		if err != nil {
			return "", err
		}
		unit := parts[2]
		if !strings.HasSuffix(unit, ".slice") {
			unit = parts[1] + "-" + parts[2] + ".scope"
		}
		path = slice + "/" + unit
	}
	if path = filepath.Clean("/" + path); path == "/" {
		return "", errors.New("cgroupsPath is empty")
	}
	if _, err := os.Stat(filepath.Join(mount, "cgroup.controllers")); err != nil {
		mount = filepath.Join(mount, "freezer")
	}
	return filepath.Join(mount, path), nil
}

// expandSlice returns the path of a systemd slice: kubepods-pod1.slice is inside kubepods.slice (systemd.slice(5)).
func expandSlice(name string) (string, error) {
	if name == "" {
		name = "system.slice"
	}
	base, found := strings.CutSuffix(name, ".slice")
	if !found || strings.Contains(name, "/") {
		return "", errors.New("cgroupsPath has no valid slice: " + name)
	}
	if base == "-" {
		return "/", nil
	}
	path, prefix := "", ""
	for part := range strings.SplitSeq(base, "-") {
		if part == "" {
			return "", errors.New("cgroupsPath has no valid slice: " + name)
		}
		path += "/" + prefix + part + ".slice"
		prefix += part + "-"
	}
	return path, nil
}
