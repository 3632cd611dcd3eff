// The program pair is the workload of the node tests of checkpoints. Two containers of a pod run it as `pair ping` and
// `pair pong`: they exchange a number over two FIFOs in /shared as fast as they can, and each keeps it in its memory, in
// a file of its root file system, and `ping` also in /shared and /dev/shm. If all are saved at one moment, the numbers
// are in a range of two.
//
// With TCP=exchange they send each number over a TCP connection on loopback as well, and end if the two differ.
//
// `pair files` changes files in ways that a plain copy loses, and `pair describe` prints them.
//
// It prints how long it stood still when that is more than 50 ms, by its own monotonic clock.
//
// PAUSE is a time in milliseconds before each number: for tests that run for long, and print each 20th number then.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	shared = "/shared"
	// report is how many exchanges are between two lines of output, and slowReport with a pause.
	report     = 500
	slowReport = 20
	// young is the number up to which a lost one begins the exchange again. Tests take checkpoints of larger ones.
	young = 50
	// notable is the shortest standstill that is printed.
	notable = 50 * time.Millisecond
)

func main() {
	role := os.Args[1]
	switch role {
	case "files":
		fail(changeFiles())
		fail(describe())
		for {
			time.Sleep(time.Hour)
		}
	case "describe":
		fail(describe())
		return
	}
	megabytes, _ := strconv.Atoi(os.Getenv("MB"))
	ballast := make([]byte, megabytes<<20)
	_, _ = rand.Read(ballast)
	go watch()
	var stream *bufio.ReadWriter
	switch kind := os.Getenv("TCP"); kind {
	case "":
	case "exchange":
		var err error
		stream, err = connect(role)
		fail(err)
	default:
		go talk(kind)
	}
	// The file of the image is deleted: a change that is not a new file.
	_ = os.Remove("/bin/wget")
	fail(play(role, stream))
	fmt.Println(len(ballast))
}

// fail ends the process if there is an error.
func fail(err error) {
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

// mark writes "cNt!" four times, built in place: the text must be once in this process's memory, and not in its file.
func mark(page []byte) {
	for i := range 16 {
		page[i] = "bOu "[i%4] ^ 1
	}
}

// play exchanges numbers for ever, over FIFOs and over stream if it is not nil.
func play(role string, stream *bufio.ReadWriter) error {
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	mark(page[8:])
	names := []string{shared + "/to-pong", shared + "/to-ping"}
	for _, name := range names {
		if err := syscall.Mkfifo(name, 0o600); err != nil && !errors.Is(err, syscall.EEXIST) {
			return err
		}
	}
	files := []string{"/state"}
	if role == "ping" {
		files = append(files, shared+"/state", "/dev/shm/state")
	}
	out, in := names[0], names[1]
	if role == "pong" {
		out, in = in, out
	}
	var opened []*os.File
	for _, name := range append(files, out, in) {
		// O_RDWR does not wait for the other side of a FIFO.
		file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		opened = append(opened, file)
	}
	writer, answers := opened[len(files)], opened[len(files)+1]
	reader := bufio.NewReader(answers)
	number, each := uint64(0), uint64(report)
	pause, _ := strconv.Atoi(os.Getenv("PAUSE"))
	if pause > 0 {
		each = slowReport
	}
	for {
		time.Sleep(time.Duration(pause) * time.Millisecond)
		if role == "pong" || number > 0 {
			received, err := receive(reader, stream)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				// A process of an earlier container that was ending has read a number or its answer.
				number = 0
			case err != nil:
				return err
			case role == "ping" && received <= number:
				// The answer to a number that was sent twice.
				continue
			default:
				number = received
			}
		}
		number++
		if role == "ping" && number <= young+1 {
			deadline := time.Time{}
			if number <= young {
				deadline = time.Now().Add(time.Second)
			}
			if err := answers.SetReadDeadline(deadline); err != nil {
				return err
			}
		}
		binary.LittleEndian.PutUint64(page, number)
		for _, file := range opened[:len(files)] {
			if _, err := file.WriteAt(fmt.Appendf(nil, "%020d", number), 0); err != nil {
				return err
			}
		}
		if number%each < 2 {
			fmt.Println("number", number)
		}
		if _, err := fmt.Fprintf(writer, "%d\n", number); err != nil {
			return err
		}
		if stream != nil {
			if _, err := fmt.Fprintf(stream, "%d\n", number); err != nil {
				return err
			}
			if err := stream.Flush(); err != nil {
				return err
			}
		}
	}
}

// receive reads a number from the FIFO, and from stream if it is not nil.
func receive(fifo *bufio.Reader, stream *bufio.ReadWriter) (uint64, error) {
	line, err := fifo.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if stream != nil {
		other, err := stream.ReadString('\n')
		if err != nil {
			return 0, err
		}
		if other != line {
			return 0, fmt.Errorf("the FIFO has %q, the connection %q", line, other)
		}
	}
	return strconv.ParseUint(line[:len(line)-1], 10, 64)
}

// watch prints each standstill.
func watch() {
	last := time.Now()
	for {
		time.Sleep(time.Millisecond)
		now := time.Now()
		if gap := now.Sub(last); gap >= notable {
			fmt.Println("standstill", gap.Microseconds())
		}
		last = now
	}
}

// connect returns the connection over loopback between ping, which listens, and pong.
func connect(role string) (*bufio.ReadWriter, error) {
	const address = "127.0.0.1:7001"
	var connection net.Conn
	var err error
	if role == "ping" {
		// Go's default is MPTCP, which CRIU cannot dump.
		config := net.ListenConfig{}
		config.SetMultipathTCP(false)
		listener, failed := config.Listen(context.Background(), "tcp", address)
		if failed != nil {
			return nil, failed
		}
		connection, err = listener.Accept()
	} else {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			if connection, err = net.Dial("tcp", address); err == nil {
				break
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return bufio.NewReadWriter(bufio.NewReader(connection), bufio.NewWriter(connection)), nil
}

// talk keeps a TCP connection over loopback. With the value mptcp the listener is Go's default.
func talk(kind string) {
	config := net.ListenConfig{}
	config.SetMultipathTCP(kind == "mptcp")
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:7000")
	if err != nil {
		fmt.Println("error", err)
		return
	}
	go func() {
		for {
			accepted, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = accepted.Read(make([]byte, 1)) }()
		}
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("connected", connection.LocalAddr())
	select {}
}
