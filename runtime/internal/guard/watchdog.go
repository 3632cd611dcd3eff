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
	"strings"
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
	// acts is written by a watchdog that begins to release the containers.
	acts = "acts\n"
)

var (
	errActs   = errors.New("it releases the containers")
	errSilent = errors.New("it does not answer")
)

// answerTime is how long a watchdog may take to start, or to take another limit. Its start took 5 to 40 ms. A test shortens it.
var answerTime = 20 * time.Second

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
	stdout  *bufio.Reader
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
	g.stdin, g.stdout = stdin, bufio.NewReader(stdout)
	if err := g.ask(func() error { return json.NewEncoder(stdin).Encode(order{g.Entry, limit}) }); err != nil {
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

// ask sends something to the watchdog and waits until it is ready.
func (g *Guard) ask(send func() error) error {
	answered := make(chan error, 1)
	go func() {
		line, err := "", send()
		if err == nil {
			line, err = g.stdout.ReadString('\n')
		}
		switch {
		case err != nil || line == ready:
		case line == acts:
			err = errActs
		default:
			err = fmt.Errorf("it wrote %.80q", line)
		}
		answered <- err
	}()
	select {
	case err := <-answered:
		return err
	case <-time.After(answerTime):
		return errSilent
	}
}

// Extend replaces the watchdog's limit by one that begins now. It returns nil only if the watchdog has not acted, and will not
// before that limit. It returns ErrReleased if it released the containers. A watchdog that does not answer is killed.
func (g *Guard) Extend(limit time.Duration) error {
	err := g.ask(func() error {
		_, err := io.WriteString(g.stdin, limit.String()+"\n")
		return err
	})
	if err == nil {
		return nil
	}
	if !errors.Is(err, errActs) {
		_ = g.command.Process.Kill()
	}
	<-g.ended
	if released := outcome(g.err); released != nil {
		return released
	}
	return fmt.Errorf("the watchdog ended: %w", err)
}

// ReturnGPUs gives processes their GPUs back after the containers were thawed, with a limit of its own: tens of GB take longer
// than a thaw may. If the service dies meanwhile, the watchdog does it. A checkpoint is given up at End if the watchdog acted.
func (g *Guard) ReturnGPUs(ctx context.Context) error {
	if len(g.Entry.GPU) == 0 {
		return nil
	}
	// Without a watchdog they are given back too.
	_ = g.Extend(gpuTime + gpuAllowance)
	return returnGPUs(ctx, &g.Entry)
}

// Died is closed when the watchdog has ended. If that is before End, it released the containers, or it was killed: then
// the checkpoint must be given up.
func (g *Guard) Died() <-chan struct{} { return g.ended }

// End must be called when the containers are thawed and CRIU has ended. It ends the watchdog and removes the journal
// entry. It returns ErrReleased if the watchdog acted before. A watchdog that neither ends nor acts is killed.
func (g *Guard) End() error {
	select {
	case <-g.ended:
	default:
		err := g.ask(func() error {
			_, err := io.WriteString(g.stdin, done)
			return errors.Join(err, g.stdin.Close())
		})
		if errors.Is(err, errSilent) {
			_ = g.command.Process.Kill()
		}
		<-g.ended
	}
	_ = g.stdin.Close()
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
	if waitUntilDue(input, stdout, timer) {
		return exitDone
	}
	// The service may have died: then it needs no answer.
	_, _ = io.WriteString(stdout, acts)
	if err := Release(context.Background(), &given.Entry); err != nil {
		fmt.Fprintf(os.Stderr, "watchdog of checkpoint %s: %v\n", given.Entry.UID, err)
		return exitFailed
	}
	return exitReleased
}

// waitUntilDue returns true when the service says that it is done, and false when the watchdog must act: the time is over, or the
// service has died. The service can replace the time that is left.
func waitUntilDue(from *bufio.Reader, to io.Writer, timer *time.Timer) bool {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for {
			line, err := from.ReadString('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}()
	for {
		select {
		case line := <-lines:
			if line == done {
				return true
			}
			limit, err := time.ParseDuration(strings.TrimSuffix(line, "\n"))
			if err != nil || limit <= 0 {
				return false
			}
			timer.Reset(limit)
			if _, err := io.WriteString(to, ready); err != nil {
				return false
			}
		case <-timer.C:
			return false
		}
	}
}
