// Package images reads the few parts of CRIU's image set that a restore needs to know, and changes addresses in it.
//
// An image is a head of two numbers of 4 bytes, the least significant byte first, and entries: the length of a message in 4
// bytes and the message, in the wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding).
package images

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// headMagic begins an image that describes processes.
const headMagic = 0x54564319

// Kinds of images, by the second number of the head.
const (
	pagemapMagic  = 0x56084025
	memoryMagic   = 0x57492820
	filesMagic    = 0x56303138
	fifoDataMagic = 0x59333054
)

// maxEntry is the longest message that is read. The largest seen, a process with 2000 mappings, has 100 kB.
const maxEntry = 64 << 20

// ErrFormat is returned for an image that does not have the format above.
var ErrFormat = errors.New("the image has an unknown format")

// readHead checks the head of an image.
func readHead(from io.Reader, kind uint32) error {
	var head [8]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if first, second := binary.LittleEndian.Uint32(head[:4]), binary.LittleEndian.Uint32(head[4:]); first != headMagic || second != kind {
		return fmt.Errorf("%w: it begins with %#x, %#x, not %#x, %#x", ErrFormat, first, second, uint32(headMagic), kind)
	}
	return nil
}

func writeHead(to io.Writer, kind uint32) error {
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:4], headMagic)
	binary.LittleEndian.PutUint32(head[4:], kind)
	_, err := to.Write(head[:])
	return err
}

// readEntry returns the next message, or io.EOF at the end of the image.
func readEntry(from io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	size := binary.LittleEndian.Uint32(length[:])
	if size > maxEntry {
		return nil, fmt.Errorf("%w: a message has %d bytes, more than %d", ErrFormat, size, maxEntry)
	}
	// Not allocated at once: the length can be wrong.
	message, err := io.ReadAll(io.LimitReader(from, int64(size)))
	if err == nil && len(message) != int(size) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return message, nil
}

// eachEntry calls a function for each message up to the end of the image.
func eachEntry(from io.Reader, call func(message []byte) error) error {
	for {
		message, err := readEntry(from)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = call(message)
		}
		if err != nil {
			return err
		}
	}
}

func writeEntry(to io.Writer, message []byte) error {
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(message)))
	if _, err := to.Write(length[:]); err != nil {
		return err
	}
	_, err := to.Write(message)
	return err
}
