package proc

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

func TestReadStat(t *testing.T) {
	got, err := ReadStat(os.Getpid())
	if err != nil || got.State == "" || got.Parent != os.Getppid() || got.Group != syscall.Getpgrp() || got.Start == 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := ReadStat(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a process that does not exist", err)
	}
}

func TestParse(t *testing.T) {
	const rest = " 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 9\n"
	got, err := parse([]byte("12 (a) Z (b) S 3 5 6" + rest))
	if err != nil || *got != (Stat{"a) Z (b", "S", 3, 5, 77}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, each := range []string{"", "12", "12 (a) S 3 5", "12 a S 3 5 6" + rest, ")(", "12 (a) S x 5 6" + rest, "12 (a) S 3 x 6" + rest} {
		if got, err := parse([]byte(each)); err == nil {
			t.Errorf("%q is %+v", each, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("12 (a) S 3 5 6 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 77 9\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = parse(text) })
}
