package criu

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// realStats are those of a pre-dump by CRIU 4.2.1.
var realStats = func() []byte {
	data, err := hex.DecodeString(strings.ReplaceAll("40 59 10 55 06 33 09 57 2d 00 00 00 0a 2b 08 c5 b0 29 10 dc f3 e2 03 18 ab a4 ca 02 20 e9 91 ae 1c 28 ea dc 16 30 00 38 b2 86 04 40 00 48 00 50 41 58 43 60 00 68 00 70 00", " ", ""))
	if err != nil {
		panic(err)
	}
	return data
}()

func TestStandstillIsTheTimeOfTheFreezeAndAfterIt(t *testing.T) {
	name := filepath.Join(t.TempDir(), StatsFile)
	if err := os.WriteFile(name, realStats, 0o600); err != nil {
		t.Fatal(err)
	}
	// The process measured 8660 ms.
	if got, err := Standstill(name); err != nil || got != 8_589_857*time.Microsecond {
		t.Errorf("got %v, %v", got, err)
	}
	for length := range realStats {
		if err := os.WriteFile(name, realStats[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Standstill(name); !errors.Is(err, ErrStats) {
			t.Errorf("%d bytes: got %v", length, err)
		}
	}
	if _, err := Standstill(name + ".missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func FuzzStandstill(f *testing.F) {
	f.Add(realStats)
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = standstill(data) })
}
