// The program dirty is the workload of the tests of the pre-dump. It has memory of MB megabytes, of which it writes
// PERCENT percent a second, page after page in a circle. Each page holds its number, how often it was written, and
// content that depends on both, so a page of another moment is found.
//
// It prints `wrote N` each second, `standstill N`, in microseconds, when it stood still for more than 20 ms by its own
// monotonic clock, and on SIGUSR1 `checked N wrong W` with the number of pages that do not hold what they should after N
// writes. It stops to write while it checks.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	pageBytes = 4096
	tick      = 10 * time.Millisecond
	// notable is the shortest standstill that is printed: a loaded machine has many of 10 ms.
	notable = 20 * time.Millisecond
)

func main() {
	if err := run(number("MB", 64), number("PERCENT", 1)); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func number(name string, fallback int) int {
	if value, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return value
	}
	return fallback
}

func run(megabytes, percent int) error {
	memory, err := syscall.Mmap(-1, 0, megabytes<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return err
	}
	pages := len(memory) / pageBytes
	for each := range pages {
		write(memory, each, 0)
	}
	go watch()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	ticker := time.NewTicker(tick)
	written, due := 0, 0.0
	for second := time.Now(); ; {
		select {
		case <-signals:
			fmt.Println("checked", written, "wrong", wrong(memory, written))
			continue
		case <-ticker.C:
		}
		for due += float64(pages*percent) / 100 * tick.Seconds(); due >= 1; due-- {
			write(memory, written%pages, written/pages+1)
			written++
		}
		if time.Since(second) >= time.Second {
			fmt.Println("wrote", written)
			second = time.Now()
		}
	}
}

// write fills a page for its n-th write.
func write(memory []byte, page, n int) {
	content := memory[page*pageBytes : (page+1)*pageBytes]
	for at := 0; at < pageBytes; at += 8 {
		binary.LittleEndian.PutUint64(content[at:], word(page, n, at))
	}
}

func word(page, n, at int) uint64 {
	return uint64(page)<<40 ^ uint64(n)<<16 ^ uint64(at) ^ uint64(page*pageBytes+at)*0x9e3779b97f4a7c15
}

// wrong counts the pages that are not as they should be after so many writes.
func wrong(memory []byte, written int) int {
	found, pages := 0, len(memory)/pageBytes
	for page := range pages {
		n := written / pages
		if page < written%pages {
			n++
		}
		content := memory[page*pageBytes : (page+1)*pageBytes]
		for at := 0; at < pageBytes; at += 8 {
			if binary.LittleEndian.Uint64(content[at:]) != word(page, n, at) {
				found++
				break
			}
		}
	}
	return found
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
