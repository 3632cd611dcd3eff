// The program hold is the workload of the node test of limits: it holds one kind of kernel object, uses it all the time, and
// prints how often. A checkpoint of it either resumes, or the host service rejects it before the freeze.
//
//	hold KIND [ARGUMENT]
//
// The first line is "ready", or "unavailable" with an error if this kernel or container cannot have such an object. Each later
// line is "tick NUMBER", or "broken" with an error if the object no longer works.
package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// period is the time between two uses of the object.
const period = 100 * time.Millisecond

// use uses an object that is held. It returns an error if the object does not work as at first.
type use func() error

// open creates an object of a kind.
type open func(argument string) (use, error)

func main() {
	if len(os.Args) > 1 && os.Args[1] == sleeper {
		time.Sleep(time.Hour)
		return
	}
	kinds := map[string]open{}
	for _, group := range []map[string]open{files, sockets, anonymous, processes, shared} {
		for name, each := range group {
			kinds[name] = each
		}
	}
	if len(os.Args) < 2 || len(os.Args) > 3 || kinds[os.Args[1]] == nil {
		names := []string{}
		for name := range kinds {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(os.Stderr, "usage: hold KIND [ARGUMENT]\nkinds: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	use, err := kinds[os.Args[1]](strings.Join(os.Args[2:], ""))
	if err == nil && use != nil {
		err = use()
	}
	if err != nil {
		fmt.Println("unavailable", err)
		time.Sleep(time.Hour)
	}
	fmt.Println("ready")
	for number := 1; ; number++ {
		time.Sleep(period)
		if use != nil {
			err := use()
			// The runtime of Go preempts goroutines by a signal.
			for errors.Is(err, unix.EINTR) {
				err = use()
			}
			if err != nil {
				fmt.Println("broken", err)
				continue
			}
		}
		fmt.Println("tick", number)
	}
}
