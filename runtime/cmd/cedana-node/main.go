// The program cedana-node has three roles, by the name it is called with or by its first argument: cedana-runc is an OCI
// runtime, cedana-noded is the service of the node, cedana-node reports what is missing on the node, or removes the
// wrapper after an uninstall.
package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"cedana.ai/cdk/runtime/internal/diagnose"
	"cedana.ai/cdk/runtime/internal/lazy"
	"cedana.ai/cdk/runtime/internal/removal"
	"cedana.ai/cdk/runtime/internal/restore"
	"cedana.ai/cdk/runtime/internal/service"
	"cedana.ai/cdk/runtime/internal/wrapper"
)

// init keeps all other goroutines from the first thread. A goroutine that enters a namespace ends its thread, but Go cannot
// end the first one: it would stay in that namespace, and the kernel shows it as the process in /proc.
func init() { runtime.LockOSThread() }

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	// An OCI runtime is called with any first argument, so its name decides alone.
	if name != wrapper.Name && len(args) > 0 && slices.Contains([]string{wrapper.Name, service.Name, diagnose.Name}, args[0]) {
		name, args = args[0], args[1:]
	}
	host := wrapper.Host()
	switch name {
	case wrapper.Name:
		os.Exit(wrapper.Main(host, args))
	case restore.CRIUName:
		os.Exit(restore.RunCRIU(args))
	case lazy.Name:
		os.Exit(lazy.Main(args, lazy.Callbacks{Kill: restore.EndContainer, Lost: restore.LoseMemory}))
	case service.Name:
		os.Exit(service.Main(args, host.Runtime))
	case diagnose.Name:
		if len(args) > 0 && args[0] == removal.Command {
			node := removal.Node{Wrapper: removal.Wrapper, Program: host.Installed(), Tasks: removal.Tasks}
			os.Exit(removal.Main(node, args[1:], os.Stdout, os.Stderr))
		}
		os.Exit(diagnose.Main(args, host.Runtime))
	default:
		os.Exit(diagnose.Main(args, host.Runtime))
	}
}
