// The program serve runs the host service with all of its files below one directory, for tests of its clients. It takes no
// checkpoints: a test writes them to DIRECTORY/checkpoints/UID.
//
//	serve DIRECTORY      listens on DIRECTORY/run/node.sock, and prints a line when it is ready
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/guard"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/service"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: serve DIRECTORY")
	}
	path := func(parts ...string) string { return filepath.Join(append(args[:1:1], parts...)...) }
	node := dump.Node{Checkpoints: path("checkpoints"), Journal: guard.Journal(path("journal"))}
	programs := func() (string, string, error) { return "", "", errors.New("this service takes no checkpoints") }
	s, err := service.New(context.Background(), node, path(filepath.Base(plan.Directory)), programs)
	if err != nil {
		return err
	}
	listener, err := service.Listen(path("run/node.sock"))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return s.Serve(listener)
}
