// The program cedana-node has three roles, by the name it is called with or by its first argument: cedana-runc is an OCI
// runtime, cedana-noded is the service of the node, cedana-node reports what is missing on the node.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/wrapper"
)

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	// An OCI runtime is called with any first argument, so its name decides alone.
	if name != wrapper.Name && len(args) > 0 && args[0] == wrapper.Name {
		name, args = args[0], args[1:]
	}
	if name == wrapper.Name {
		os.Exit(wrapper.Main(wrapper.Host(), args))
	}
	fmt.Fprintf(os.Stderr, "usage: %s [options of an OCI runtime] COMMAND ...\n", wrapper.Name)
	os.Exit(2)
}
