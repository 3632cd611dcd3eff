package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/guard"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/pod"
)

// Name is the name by which this program is the service.
const Name = "cedana-noded"

// Paths of the service on a node.
const (
	// Socket is the unix socket of the agent.
	Socket = "/run/cedana-cdk/node/node.sock"
	// StateSocket is the unix socket of the health check. It is in another directory, because a pod mounts a whole directory.
	StateSocket = "/run/cedana-cdk/state/state.sock"
	// Checkpoints has a directory for each checkpoint.
	Checkpoints = "/var/lib/cedana-cdk/checkpoints"
	// JournalDirectory has a file for each checkpoint in flight.
	JournalDirectory = "/var/lib/cedana-cdk/journal"
)

// stopTime is how long checkpoints in flight may take to end by themselves when the service is stopped: those with the
// default freezeMilliseconds, and the time in which their files are read. It is less than TimeoutStopSec of the systemd unit.
const stopTime = 100 * time.Second

// Main runs the service until SIGTERM or SIGINT, and then until no checkpoint is in flight, at most stopTime, or a second
// signal. Or it runs one of its commands: `watchdog`, and `recover`, which thaws what a dead service left frozen, and
// `call METHOD [PARAMS]`, which sends a request to the service and prints the result.
// Runtime returns the path of the OCI runtime. It returns the exit code.
func Main(args []string, runtime func() (string, error)) int {
	if len(args) > 0 && args[0] == guard.WatchdogCommand {
		return guard.Watchdog(os.Stdin, os.Stdout)
	}
	if len(args) > 0 && args[0] == "call" {
		return call(Socket, args[1:], os.Stdout, os.Stderr)
	}
	command := "run"
	if len(args) > 0 {
		command = args[0]
	}
	var err error
	switch {
	case len(args) > 1:
		err = errors.New("too many arguments")
	case command == "run":
		err = run(runtime)
	case command == "recover":
		_, err = guard.Journal(JournalDirectory).Recover(context.Background())
	default:
		fmt.Fprintf(os.Stderr, "usage: %s [run | recover | call METHOD [PARAMS]]\n", Name)
		return 2
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", Name, err)
		return 1
	}
	return 0
}

func run(runtime func() (string, error)) error {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	// Recover before anything that can fail: a missing runtime must not keep a container frozen.
	recovered, err := guard.Journal(JournalDirectory).Recover(ctx)
	for _, uid := range recovered {
		fmt.Printf("checkpoint %s was interrupted; its containers were thawed\n", uid)
	}
	if err != nil {
		// A journal entry that cannot be read stays for an administrator. Other checkpoints can be taken.
		fmt.Fprintf(os.Stderr, "cannot recover: %v\n", err)
	}
	s, err := New(ctx, hostNode(), plan.Directory, func() (string, string, error) { return programs(runtime) })
	if err != nil {
		return err
	}
	listener, err := Listen(Socket)
	if err != nil {
		return err
	}
	state, err := Listen(StateSocket)
	if err != nil {
		listener.Close()
		return err
	}
	go func() {
		fmt.Printf("stopping on %v, once no checkpoint is in flight\n", <-signals)
		drained := make(chan struct{})
		go func() {
			s.Drain(stopTime)
			close(drained)
		}()
		select {
		case <-drained:
		case again := <-signals:
			fmt.Printf("stopping on %v\n", again)
		}
		stop(&dump.Error{Reason: dump.ReasonInterrupted, Err: errors.New("the service stops")})
		listener.Close()
		state.Close()
	}()
	fmt.Printf("listening on %s and %s\n", Socket, StateSocket)
	ended := make(chan error, 1)
	go func() { ended <- s.ServeState(state) }()
	err = s.Serve(listener)
	state.Close()
	return errors.Join(err, <-ended)
}

// hostNode returns the paths of a node.
func hostNode() dump.Node {
	return dump.Node{
		Paths: pod.ContainerdPaths(), Checkpoints: Checkpoints, Journal: JournalDirectory,
		// The file can be replaced by an update; /proc/self/exe stays.
		Watchdog: []string{"/proc/self/exe", Name, guard.WatchdogCommand},
	}
}

func programs(runtime func() (string, error)) (string, string, error) {
	program, err := runtime()
	if err != nil {
		return "", "", err
	}
	criu, err := exec.LookPath("criu")
	if err == nil {
		criu, err = filepath.Abs(criu)
	}
	return program, criu, err
}
