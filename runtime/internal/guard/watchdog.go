package guard

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// WatchdogCommand is the argument with which this program is a watchdog.
const WatchdogCommand = "watchdog"

// order is what the service sends to its watchdog.
type order struct {
	Entry Entry         `json:"entry"`
	Limit time.Duration `json:"limit"`
}

const (
	ready = "ready\n"
	done  = "done\n"
	// startTime is how long a watchdog may take to start. It took 5 to 40 ms.
	startTime = 20 * time.Second
)

// Exit codes of a watchdog.
const (
	exitDone = 0
	// exitReleased says that it had to release the containers.
	exitReleased = 3
	exitFailed   = 1
)

// ErrReleased is returned by End if the watchdog had to release the containers, so the checkpoint is not of one moment.
var ErrReleased = errors.New("the watchdog thawed the containers")

// Guard is a checkpoint whose containers will not stay frozen.
type Guard struct {
	Entry   Entry
	journal Journal
	command *exec.Cmd
	stdin   io.WriteCloser
	// ended is closed when the watchdog has ended with err.
	ended chan struct{}
	err   error
}

// Begin starts a watchdog, which releases the containers after the limit, and writes the journal entry. CRIU may end by
// itself until the limit. Program and args
// are the command of the watchdog: this program, and arguments that lead to Watchdog. Runs of CRIU must join the process
// group Entry.Group.
func Begin(journal Journal, entry Entry, limit time.Duration, program string, args ...string) (*Guard, error) {
	g := &Guard{Entry: entry, journal: journal, ended: make(chan struct{})}
	if err := g.start(limit, program, args); err != nil {
		return nil, fmt.Errorf("cannot start the watchdog: %w", err)
	}
	g.Entry.Group, g.Entry.KillAfter = g.command.Process.Pid, int64(sinceBoot()+limit)
	if err := journal.write(&g.Entry); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot write the journal: %w", err), g.End())
	}
	return g, nil
}

func (g *Guard) start(limit time.Duration, program string, args []string) error {
	g.command = exec.Command(program, args...)
	// A signal to the service's group must not reach its watchdog.
	g.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	g.command.Stderr = os.Stderr
	stdin, err := g.command.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := g.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := g.command.Start(); err != nil {
		return err
	}
	g.stdin = stdin
	started := make(chan error, 1)
	go func() {
		err := json.NewEncoder(stdin).Encode(order{g.Entry, limit})
		line := ""
		if err == nil {
			line, err = bufio.NewReader(stdout).ReadString('\n')
		}
		if err == nil && line != ready {
			err = fmt.Errorf("it wrote %.80q", line)
		}
		started <- err
	}()
	select {
	case err = <-started:
	case <-time.After(startTime):
		err = errors.New("it does not become ready")
	}
	if err != nil {
		_ = g.command.Process.Kill()
		_ = g.command.Wait()
		return err
	}
	go func() {
		g.err = g.command.Wait()
		close(g.ended)
	}()
	return nil
}

// Died is closed when the watchdog has ended. If that is before End, it released the containers, or it was killed: then
// the checkpoint must be given up.
func (g *Guard) Died() <-chan struct{} { return g.ended }

// End must be called when the containers are thawed and CRIU has ended. It ends the watchdog and removes the journal
// entry. It returns ErrReleased if the watchdog acted before.
func (g *Guard) End() error {
	_, _ = io.WriteString(g.stdin, done)
	_ = g.stdin.Close()
	<-g.ended
	return errors.Join(outcome(g.err), g.journal.remove(g.Entry.UID))
}

// outcome translates the end of a watchdog process. One that was killed is no error: the containers are thawed.
func outcome(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitReleased {
		return ErrReleased
	}
	return nil
}

// Watchdog is the main function of a watchdog. It returns its exit code.
func Watchdog(stdin io.Reader, stdout io.Writer) int {
	// The service manager sends these to the service, which then thaws and ends the watchdog.
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	// The kernel should kill other processes first. Permission for it is not everywhere.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("-1000"), 0)
	input := bufio.NewReader(stdin)
	line, err := input.ReadBytes('\n')
	if err != nil {
		return exitFailed
	}
	var given order
	if err := json.Unmarshal(line, &given); err != nil {
		return exitFailed
	}
	if err := given.Entry.Validate(); err != nil || given.Limit <= 0 {
		return exitFailed
	}
	given.Entry.Group, given.Entry.KillAfter = os.Getpid(), int64(sinceBoot()+given.Limit)
	timer := time.NewTimer(given.Limit)
	if _, err := io.WriteString(stdout, ready); err != nil {
		return exitFailed
	}
	told := make(chan bool, 1)
	go func() {
		line, err := input.ReadString('\n')
		told <- err == nil && line == done
	}()
	select {
	case isDone := <-told:
		if isDone {
			return exitDone
		}
	case <-timer.C:
	}
	if err := Release(context.Background(), &given.Entry); err != nil {
		fmt.Fprintf(os.Stderr, "watchdog of checkpoint %s: %v\n", given.Entry.UID, err)
		return exitFailed
	}
	return exitReleased
}
