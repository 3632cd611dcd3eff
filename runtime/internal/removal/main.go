package removal

import (
	"errors"
	"fmt"
	"io"
)

// Command is the argument of cedana-node that removes the wrapper.
const Command = "remove-wrapper"

// Exit codes besides 0 and 1.
const (
	// StatusUsed says that containers need the wrapper. It is EX_TEMPFAIL of sysexits.h.
	StatusUsed    = 75
	statusInvalid = 2
)

// Main removes the wrapper, and writes what it did. It returns the exit code: 0 if no wrapper is left, 75 if containers need it,
// 1 if the programs of the node are installed or the removal failed, 2 for invalid arguments.
func Main(node Node, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		fmt.Fprintf(stderr, "usage: cedana-node %s\n", Command)
		return statusInvalid
	}
	removed, err := node.Remove()
	var used *UsedError
	switch {
	case errors.As(err, &used):
		fmt.Fprintf(stderr, "%s was kept: %v\nDelete their pods, or run the command again when they have ended.\n", node.Wrapper, err)
		return StatusUsed
	case errors.Is(err, ErrInstalled):
		fmt.Fprintf(stderr, "%s was kept: %v\nUninstall the agent of the node first.\n", node.Wrapper, err)
		return 1
	case err != nil:
		fmt.Fprintf(stderr, "%s was kept: %v\n", node.Wrapper, err)
		return 1
	case removed:
		fmt.Fprintf(stdout, "%s was removed\n", node.Wrapper)
	default:
		fmt.Fprintf(stdout, "%s does not exist\n", node.Wrapper)
	}
	return 0
}
