package images

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Fields of the messages about sockets in files.img.
const (
	// internetSocket is the field of a file that is a socket of IPv4 or IPv6.
	internetSocket = 4

	familyField = 3
	typeField   = 4
	stateField  = 6
	sourceField = 11
)

// States of TCP in which a socket has no connection (net/tcp_states.h).
const (
	tcpClose  = 7
	tcpListen = 10
)

// ReplaceAddresses copies files.img with other local addresses of the sockets that are bound to one of these: of TCP only
// those that listen or have no connection. It returns the number of changed sockets. Everything else is copied as it is.
func ReplaceAddresses(from io.Reader, to io.Writer, addresses map[netip.Addr]netip.Addr) (int, error) {
	reader, writer := bufio.NewReader(from), bufio.NewWriter(to)
	if err := readHead(reader, filesMagic); err != nil {
		return 0, err
	}
	if err := writeHead(writer, filesMagic); err != nil {
		return 0, err
	}
	count := 0
	err := eachEntry(reader, func(message []byte) error {
		replaced, changed, err := replaceInFile(message, addresses)
		if err != nil {
			return err
		}
		if changed {
			count++
		}
		return writeEntry(writer, replaced)
	})
	if err != nil {
		return 0, err
	}
	return count, writer.Flush()
}

// replaceInFile returns a message about a file with the replaced address, if it is a socket.
func replaceInFile(message []byte, addresses map[netip.Addr]netip.Addr) ([]byte, bool, error) {
	result, changed := []byte{}, false
	err := eachField(message, func(each field) error {
		if each.number != internetSocket {
			result = append(result, each.raw...)
			return nil
		}
		if each.kind != bytesType {
			return fmt.Errorf("%w: a socket is no message", ErrFormat)
		}
		socket, replaced, err := replaceInSocket(each.bytes, addresses)
		if err != nil {
			return err
		}
		if !replaced {
			result = append(result, each.raw...)
			return nil
		}
		changed = true
		result = appendBytes(result, internetSocket, socket)
		return nil
	})
	return result, changed, err
}

func replaceInSocket(message []byte, addresses map[netip.Addr]netip.Addr) ([]byte, bool, error) {
	var family, kind, state uint64
	if err := numbers(message, map[int]*uint64{familyField: &family, typeField: &kind, stateField: &state}); err != nil {
		return nil, false, err
	}
	words := []uint32{}
	err := eachField(message, func(each field) error {
		if each.number != sourceField {
			return nil
		}
		if each.kind != varintType || each.value > 1<<32-1 {
			return fmt.Errorf("%w: an address is no number of 4 bytes", ErrFormat)
		}
		words = append(words, uint32(each.value))
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	if kind == unix.SOCK_STREAM && state != tcpClose && state != tcpListen {
		return nil, false, nil
	}
	before, err := addressOf(family, words)
	if err != nil {
		return nil, false, err
	}
	after, found := addresses[before.Unmap()]
	if !found || after == before.Unmap() {
		return nil, false, nil
	}
	if before.Is4In6() {
		after = netip.AddrFrom16(after.As16())
	}
	if before.BitLen() != after.BitLen() {
		return nil, false, fmt.Errorf("address %s cannot become %s", before, after)
	}
	result, next, replacement := []byte{}, 0, wordsOf(after)
	err = eachField(message, func(each field) error {
		if each.number != sourceField {
			result = append(result, each.raw...)
			return nil
		}
		result = binary.AppendUvarint(result, sourceField<<3|varintType)
		result = binary.AppendUvarint(result, uint64(replacement[next]))
		next++
		return nil
	})
	return result, true, err
}

// addressOf returns the address of a socket: words of 4 bytes, which are in the order of the network in memory.
func addressOf(family uint64, words []uint32) (netip.Addr, error) {
	content := []byte{}
	for _, each := range words {
		content = binary.NativeEndian.AppendUint32(content, each)
	}
	address, valid := netip.AddrFromSlice(content)
	if !valid || family != unix.AF_INET && family != unix.AF_INET6 || address.Is4() != (family == unix.AF_INET) {
		return netip.Addr{}, fmt.Errorf("%w: a socket of family %d has an address of %d bytes", ErrFormat, family, len(content))
	}
	return address, nil
}

func wordsOf(address netip.Addr) []uint32 {
	content, words := address.AsSlice(), []uint32{}
	for ; len(content) > 0; content = content[4:] {
		words = append(words, binary.NativeEndian.Uint32(content))
	}
	return words
}
