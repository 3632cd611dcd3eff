// Package probe finds what CRIU cannot dump, or cannot restore, in running containers, before they are frozen: a checkpoint
// that would fail costs no standstill then, and the message names container and process.
//
// What it permits was dumped and restored by CRIU 4.2.1 on a node (test/node/runtime-limits.test.ts). An object of a kind that
// is not known is a problem. A process can open such an object after the check. CRIU fails then, and package criu explains its
// error.
package probe

import (
	"fmt"
	"net/netip"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/pod"
)

// Problem is something that cannot be dumped.
type Problem struct {
	Container string
	Message   string
	Remedy    string
}

// check is one run over the processes of a pod's containers.
type check struct {
	containers []pod.Container
	// tcp is what the checkpoint does with established TCP connections.
	tcp checkpoint.TCP
	// addresses are those of the pod; nil until they are needed.
	addresses []netip.Addr
	// owners has the container of each process that CRIU dumps.
	owners map[int]*pod.Container
	// sockets has the container of each socket that a process of the checkpoint has open, by the inode of the socket.
	sockets  map[uint64]*pod.Container
	problems []Problem
	seen     map[string]bool
}

// Check returns the problems of the containers, in their order, at most one of each kind for each container. TCP is what the
// checkpoint does with established connections.
func Check(containers []pod.Container, tcp checkpoint.TCP) []Problem {
	c := &check{
		containers: containers, tcp: tcp,
		owners: map[int]*pod.Container{}, sockets: map[uint64]*pod.Container{}, seen: map[string]bool{}, problems: []Problem{},
	}
	processes := []*process{}
	for i := range containers {
		container := &containers[i]
		c.checkSpec(container)
		c.checkMounts(container)
		of := c.processesOf(container)
		for _, each := range of {
			c.owners[each.pid] = container
			for _, descriptor := range each.descriptors {
				if inode, found := descriptor.socket(); found {
					c.sockets[inode] = container
				}
			}
		}
		processes = append(processes, of...)
	}
	for _, each := range processes {
		c.checkProcess(each)
	}
	c.checkUnixSockets(processes)
	if len(containers) > 1 {
		c.checkIPC()
	}
	return c.problems
}

// add adds a problem of a container, once for each kind.
func (c *check) add(container *pod.Container, kind, message, remedy string) {
	if key := container.Name + "/" + kind; !c.seen[key] {
		c.seen[key] = true
		c.problems = append(c.problems, Problem{container.Name, message, remedy})
	}
}

// report adds a problem of a process. The message continues "process PID (NAME)".
func (c *check) report(p *process, kind, message, remedy string) {
	c.add(p.container, kind, fmt.Sprintf("process %d (%s) %s", p.pid, p.name, message), remedy)
}
