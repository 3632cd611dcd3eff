package criu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// StatsFile is the name of the file with the statistics of a dump, in the work directory of the run.
const StatsFile = "stats-dump"

const (
	// statsBytes is the largest file that is read. CRIU 4.2 writes 60 bytes.
	statsBytes = 64 << 10
	// Both numbers begin the file (criu/include/magic.h).
	serviceMagic = 0x55105940
	statsMagic   = 0x57093306
	// Fields of the messages StatsEntry and DumpStatsEntry (images/stats.proto).
	fieldDump     = 1
	fieldFreezing = 1
	fieldFrozen   = 2
)

// ErrStats is returned for a file that is not CRIU's statistics of a dump.
var ErrStats = errors.New("invalid statistics of CRIU")

// Standstill returns how long a dump or pre-dump kept the processes from running, by CRIU's own clock: the time in which it
// froze them, and that in which they were frozen.
func Standstill(path string) (time.Duration, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, statsBytes))
	if err != nil {
		return 0, err
	}
	microseconds, err := standstill(data)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return time.Duration(microseconds) * time.Microsecond, nil
}

// standstill reads an image: two numbers, the size of the message, the message.
func standstill(data []byte) (uint32, error) {
	const header = 12
	if len(data) < header || binary.LittleEndian.Uint32(data) != serviceMagic || binary.LittleEndian.Uint32(data[4:]) != statsMagic {
		return 0, ErrStats
	}
	size := binary.LittleEndian.Uint32(data[8:])
	if uint64(size) > uint64(len(data)-header) {
		return 0, ErrStats
	}
	sum, found := uint64(0), 0
	err := fields(data[header:header+size], func(number uint64, _ uint64, message []byte) error {
		if number != fieldDump || message == nil {
			return nil
		}
		return fields(message, func(number, value uint64, message []byte) error {
			if message == nil && (number == fieldFreezing || number == fieldFrozen) {
				// Both are uint32.
				sum += value & (1<<32 - 1)
				found++
			}
			return nil
		})
	})
	if err != nil || found != 2 || sum >= 1<<32 {
		return 0, errors.Join(ErrStats, err)
	}
	return uint32(sum), nil
}

// fields calls a function for each number and each message of a protocol buffer.
func fields(data []byte, call func(number, value uint64, message []byte) error) error {
	for len(data) > 0 {
		key, read := binary.Uvarint(data)
		if read <= 0 {
			return ErrStats
		}
		data = data[read:]
		value, read := binary.Uvarint(data)
		if read <= 0 {
			return ErrStats
		}
		data = data[read:]
		var message []byte
		switch key & 7 {
		case 0:
		case 2:
			if value > uint64(len(data)) {
				return ErrStats
			}
			message, data = data[:value:value], data[value:]
		default:
			return ErrStats
		}
		if err := call(key>>3, value, message); err != nil {
			return err
		}
	}
	return nil
}
