package freezer

import (
	"context"
	"time"
)

// FrozenAgain waits until another program has thawed the frozen cgroup and requested to freeze it again. CRIU does so: it
// thaws to run its own code in the processes, and restores the state that it found when it has what it needs.
func (c Cgroup) FrozenAgain(ctx context.Context) error {
	for thawed := false; ; {
		state, err := c.state()
		if err != nil || thawed && state != stateThawed {
			return err
		}
		thawed = thawed || state == stateThawed
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(poll):
		}
	}
}
