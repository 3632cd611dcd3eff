package lazy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/images"
	"golang.org/x/sys/unix"
)

// restoreFinished is what CRIU sends, in place of a process, before the processes run.
const restoreFinished = 0x52535446

const (
	// memoryPeriod is the time between two attempts when there is no memory for a page.
	memoryPeriod = 10 * time.Millisecond
	// memoryAttempts ends them: with memoryPeriod after a minute.
	memoryAttempts = 6000
	// arrivalPeriod is the time between two looks at what has arrived, while nothing else can be done.
	arrivalPeriod = 5 * time.Millisecond
	// endedPeriod is the time between two looks at whether processes have ended, meanwhile.
	endedPeriod = 200 * time.Millisecond
)

// server loads the memory of the processes of one container.
type server struct {
	memory map[int32]*source
	// arriving says which memory is there; nil if all is.
	arriving *arrival.Memory
	// starved says that all that is missing is still to arrive.
	starved bool
	// looked is when the server looked last for processes that have ended.
	looked time.Time
	// listener is the socket on which CRIU connects, and then that connection.
	listener, connection int
	// wrapper is a pipe whose other end is closed when the restore has failed, or the wrapper was killed.
	wrapper int
	// next is the process whose descriptor comes next.
	next      int32
	finished  bool
	processes []*process
	// keeper is a descriptor of the keeper, and respawn replaces a keeper that ended.
	keeper  int
	respawn func() (int, error)
	// restored is called when CRIU has restored all processes and none runs yet.
	restored func()
	buffer   []byte
	loaded   int64
}

// source is the memory of a process in the checkpoint.
type source struct {
	pages  *os.File
	ranges pending
}

// errAborted says that CRIU ended before the restore was complete.
var errAborted = errors.New("CRIU ended before the processes were restored")

// serve runs until all memory is loaded or no process is left.
func (s *server) serve(deadline time.Time) error {
	s.buffer = make([]byte, chunkBytes)
	for !s.finished || len(s.processes) > 0 {
		if time.Now().After(deadline) {
			return fmt.Errorf("the memory was not loaded in time, %d bytes are missing", s.missing())
		}
		ready, err := s.wait(time.Until(deadline))
		if err != nil {
			return err
		}
		if ready[s.keeper] {
			if s.keeper, err = s.respawn(); err != nil {
				return fmt.Errorf("cannot start the keeper again: %w", err)
			}
		}
		if ready[s.listener] && s.connection < 0 {
			if err := s.accept(); err != nil {
				return err
			}
		}
		if ready[s.wrapper] && s.connection < 0 && !s.finished {
			// CRIU cannot connect later: the socket is closed with this process.
			return errAborted
		}
		if ready[s.connection] {
			if err := s.receive(); err != nil {
				return err
			}
		}
		if err := s.refresh(); err != nil {
			return err
		}
		// A copy: forks append to it.
		for _, each := range slices.Clone(s.processes) {
			if err := s.step(each, ready[each.fd]); err != nil {
				return err
			}
		}
		if err := s.background(); err != nil {
			return err
		}
	}
	return nil
}

// refresh reads which memory has arrived.
func (s *server) refresh() error {
	if s.arriving == nil {
		return nil
	}
	if err := s.arriving.Refresh(); err != nil {
		return fmt.Errorf("cannot read which memory has arrived: %w", err)
	}
	if err := s.arriving.Failure(); err != nil {
		return fmt.Errorf("the memory did not arrive: %w", err)
	}
	return nil
}

// wait returns the descriptors that can be read. It does not wait while something can be loaded.
func (s *server) wait(limit time.Duration) (map[int]bool, error) {
	list := []unix.PollFd{{Fd: int32(s.keeper), Events: unix.POLLIN}}
	if s.connection >= 0 {
		list = append(list, unix.PollFd{Fd: int32(s.connection), Events: unix.POLLIN})
	} else if !s.finished {
		list = append(list, unix.PollFd{Fd: int32(s.listener), Events: unix.POLLIN}, unix.PollFd{Fd: int32(s.wrapper), Events: unix.POLLIN})
	}
	for _, each := range s.processes {
		list = append(list, unix.PollFd{Fd: int32(each.fd), Events: unix.POLLIN})
	}
	timeout := s.pollTime(limit)
	for {
		_, err := unix.Poll(list, int(timeout.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		ready := map[int]bool{}
		for _, each := range list {
			if each.Revents != 0 {
				ready[int(each.Fd)] = true
			}
		}
		return ready, err
	}
}

func (s *server) accept() error {
	connection, _, err := unix.Accept4(s.listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	if err == unix.EAGAIN || err == unix.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	s.connection = connection
	return nil
}

// receive reads what CRIU sends: for each process its PID in the checkpoint, then a byte with its userfaultfd; at last
// restoreFinished.
func (s *server) receive() error {
	for s.connection >= 0 {
		var content [4]byte
		want := content[:4]
		if s.next != 0 {
			want = content[:1]
		}
		control := make([]byte, unix.CmsgSpace(4))
		count, controls, _, _, err := unix.Recvmsg(s.connection, want, control, unix.MSG_CMSG_CLOEXEC)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case count == 0:
			return errAborted
		case count != len(want):
			return fmt.Errorf("CRIU sent %d bytes in place of %d", count, len(want))
		case s.next != 0:
			err = s.add(control[:controls])
		default:
			err = s.announced(int32(binary.NativeEndian.Uint32(content[:])))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *server) announced(pid int32) error {
	switch {
	case pid == restoreFinished:
		s.finished = true
		_ = unix.Close(s.connection)
		s.connection = -1
		s.restored()
	case pid < 0:
		// A zombie has no memory.
	case s.memory[pid] == nil:
		return fmt.Errorf("CRIU restores process %d, whose memory is not in the checkpoint", pid)
	default:
		s.next = pid
	}
	return nil
}

func (s *server) add(control []byte) error {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return errors.Join(errors.New("CRIU sent no userfaultfd"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return errors.Join(errors.New("CRIU sent no userfaultfd"), err)
	}
	of := s.memory[s.next]
	s.processes = append(s.processes, &process{fd: fds[0], pages: of.pages, arriving: s.arriving, pending: slices.Clone(of.ranges)})
	s.next = 0
	return nil
}

// step reads the events of a process, and answers its faults.
func (s *server) step(p *process, ready bool) error {
	err := func() error {
		faults := p.retry
		p.retry, p.waiting = nil, 0
		for ready {
			read, err := readEvent(p.fd)
			if err == unix.EAGAIN {
				break
			}
			if err != nil {
				return fmt.Errorf("cannot read events of a process: %w", err)
			}
			if read.kind == faultEvent {
				faults = append(faults, read.arguments[1])
			} else if err := s.change(p, read); err != nil {
				return err
			}
		}
		for _, each := range faults {
			before := p.bytes()
			err := p.fault(each, s.buffer)
			s.loaded += before - p.bytes()
			if errors.Is(err, errMissing) {
				p.retry, p.waiting = append(p.retry, each), p.waiting+1
			} else if errors.Is(err, errChanging) || errors.Is(err, errNoMemory) && p.refused < memoryAttempts {
				p.retry = append(p.retry, each)
			} else if err != nil {
				return err
			}
		}
		return nil
	}()
	if errors.Is(err, errEnded) {
		s.end(p)
		return nil
	}
	return err
}

// pollTime returns how long to wait for a descriptor. None shows that memory has arrived, also before CRIU has restored all.
func (s *server) pollTime(limit time.Duration) time.Duration {
	busy, refused, waiting := false, false, s.starved
	for _, each := range s.processes {
		busy = busy || s.finished && !s.starved || len(each.retry) > each.waiting
		refused = refused || each.refused > 0
		waiting = waiting || each.waiting > 0
	}
	switch {
	case refused:
		return memoryPeriod
	case busy:
		return 0
	case waiting:
		return arrivalPeriod
	default:
		return min(limit, time.Minute) + time.Millisecond
	}
}

// change handles an event that changes the mappings of a process, which waits until the event is read.
func (s *server) change(p *process, read event) error {
	one, two, three := read.arguments[0], read.arguments[1], read.arguments[2]
	switch read.kind {
	case forkEvent:
		s.processes = append(s.processes, &process{fd: int(one), pages: p.pages, arriving: p.arriving, pending: p.inherited(), child: true})
	case remapEvent:
		p.move(one, two, three)
	case removeEvent, unmapEvent:
		p.drop(one, two)
	default:
		return fmt.Errorf("userfaultfd reported event %#x", read.kind)
	}
	return nil
}

// background loads the next chunk of a process once all are restored.
func (s *server) background() error {
	s.starved = false
	if !s.finished || len(s.processes) == 0 {
		return nil
	}
	p, next, found := s.loadable()
	if !found {
		s.starved = true
		s.endEnded()
		return nil
	}
	if next.Start < next.End {
		next.End = min(next.End, next.Start+chunkBytes)
		before := p.bytes()
		err := p.load(next, s.buffer)
		s.loaded += before - p.bytes()
		switch {
		case errors.Is(err, errEnded):
			s.end(p)
			return nil
		case errors.Is(err, errNoMemory) && p.refused < memoryAttempts, errors.Is(err, errChanging):
			// Another process gets the next turn: this one can be stopped with an event that is not complete.
			s.processes = append(slices.DeleteFunc(s.processes, func(each *process) bool { return each == p }), p)
		case err != nil:
			return err
		}
	}
	if len(p.pending) == 0 && len(p.retry) == 0 {
		s.end(p)
	}
	return nil
}

// endEnded releases processes that have ended. Nothing else shows it while none of their memory can be loaded.
func (s *server) endEnded() {
	if time.Since(s.looked) < endedPeriod {
		return
	}
	s.looked = time.Now()
	for _, each := range slices.Clone(s.processes) {
		if len(each.pending) > 0 && ended(each.fd, each.pending[0].Start) {
			s.end(each)
		}
	}
}

// loadable returns a process and a range of its memory that has arrived; an empty one if nothing of it is missing. It is false
// if all that is missing is still to arrive.
func (s *server) loadable() (*process, images.Range, bool) {
	for _, p := range s.processes {
		if len(p.pending) == 0 {
			if len(p.retry) > p.waiting || len(p.retry) == 0 {
				return p, images.Range{}, true
			}
			continue
		}
		for _, each := range p.pending {
			if there := p.there(each); there.Start < there.End {
				return p, there, true
			}
		}
	}
	return nil, images.Range{}, false
}

// end releases a process: nothing of its memory is missing, or it has ended. Threads that wait for a page continue, and
// find what was loaded, or zeros where the checkpoint has none.
func (s *server) end(p *process) {
	_ = unix.Close(p.fd)
	s.processes = slices.DeleteFunc(s.processes, func(each *process) bool { return each == p })
}

func (s *server) missing() int64 {
	sum := int64(0)
	for _, each := range s.processes {
		sum += each.bytes()
	}
	return sum
}
