package cuda

import (
	"os"
	"path/filepath"
	"strings"

	"cedana.ai/cdk/runtime/internal/pattern"
)

// Driver is what the kernel says of NVIDIA's driver.
type Driver struct {
	// Version is as 580.159.04; empty if no driver is loaded.
	Version string
	// Models are the models of the GPUs by the path of their device, as "NVIDIA H200" by /dev/nvidia0.
	Models map[string]string
}

// gpu matches the path of a GPU's device. Other devices of the driver are the same for all GPUs.
var gpu = pattern.New(`^/dev/nvidia[0-9]{1,3}$`)

// IsGPU says if a path is the device of one GPU.
func IsGPU(path string) bool { return gpu().MatchString(path) }

// driverVersion matches the version in the first line of /proc/driver/nvidia/version, as "NVRM version: NVIDIA UNIX Open Kernel
// Module for x86_64  580.159.04  Release Build". The words before it differ between the two kinds of the module.
var driverVersion = pattern.New(`^NVRM version: .*? ([0-9]+(?:\.[0-9]+)+) `)

// ReadDriver reads /proc/driver/nvidia below a root directory.
func ReadDriver(root string) Driver {
	driver := Driver{Models: map[string]string{}}
	text, err := os.ReadFile(filepath.Join(root, "proc/driver/nvidia/version"))
	if err != nil {
		return driver
	}
	if match := driverVersion().FindSubmatch(text); match != nil {
		driver.Version = string(match[1])
	}
	names, _ := filepath.Glob(filepath.Join(root, "proc/driver/nvidia/gpus/*/information"))
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		model, minor := "", ""
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, ":")
			switch value = strings.TrimSpace(value); key {
			case "Model":
				model = value
			case "Device Minor":
				minor = value
			}
		}
		if path := devicePrefix + minor; IsGPU(path) && model != "" {
			driver.Models[path] = model
		}
	}
	return driver
}
