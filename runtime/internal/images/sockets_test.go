package images

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// socket returns a message about a file that is a socket with a local and a remote address.
func socket(family, kind, state uint64, local, remote string) []byte {
	made := message(1, 5, 2, 9, familyField, family, typeField, kind, 5, 6, stateField, state, 7, 80, 8, 0)
	for _, address := range []struct {
		field uint64
		text  string
	}{{sourceField, local}, {12, remote}} {
		for _, each := range wordsOf(netip.MustParseAddr(address.text)) {
			made = append(made, message(address.field, uint64(each))...)
		}
	}
	// A message inside, and the name of an interface.
	made = appendBytes(appendBytes(made, 13, message(1, 2)), 17, []byte("eth0"))
	return appendBytes(message(1, 4, 2, 5), internetSocket, made)
}

var addresses = map[netip.Addr]netip.Addr{
	netip.MustParseAddr("10.0.0.5"): netip.MustParseAddr("10.9.8.7"), netip.MustParseAddr("fd00::5"): netip.MustParseAddr("fd00:1::ffff"),
}

func TestLocalAddressesOfSocketsWithoutConnectionAreReplaced(t *testing.T) {
	const v4, v6, stream, datagram, established = unix.AF_INET, unix.AF_INET6, unix.SOCK_STREAM, unix.SOCK_DGRAM, 1
	other := message(1, 1, 2, 3)
	for name, each := range map[string]struct {
		before, after []byte
		changed       int
	}{
		"listener":         {socket(v4, stream, tcpListen, "10.0.0.5", "0.0.0.0"), socket(v4, stream, tcpListen, "10.9.8.7", "0.0.0.0"), 1},
		"IPv6":             {socket(v6, stream, tcpListen, "fd00::5", "::"), socket(v6, stream, tcpListen, "fd00:1::ffff", "::"), 1},
		"IPv4 in IPv6":     {socket(v6, stream, tcpListen, "::ffff:10.0.0.5", "::"), socket(v6, stream, tcpListen, "::ffff:10.9.8.7", "::"), 1},
		"bound":            {socket(v4, stream, tcpClose, "10.0.0.5", "0.0.0.0"), socket(v4, stream, tcpClose, "10.9.8.7", "0.0.0.0"), 1},
		"UDP":              {socket(v4, datagram, tcpClose, "10.0.0.5", "0.0.0.0"), socket(v4, datagram, tcpClose, "10.9.8.7", "0.0.0.0"), 1},
		"connected UDP":    {socket(v4, datagram, established, "10.0.0.5", "10.0.0.9"), socket(v4, datagram, established, "10.9.8.7", "10.0.0.9"), 1},
		"connection":       {socket(v4, stream, established, "10.0.0.5", "10.0.0.9"), nil, 0},
		"all addresses":    {socket(v4, stream, tcpListen, "0.0.0.0", "0.0.0.0"), nil, 0},
		"loopback":         {socket(v4, stream, tcpListen, "127.0.0.1", "0.0.0.0"), nil, 0},
		"no socket at all": {message(1, 1, 2, 3, 3, 4), nil, 0},
	} {
		if each.after == nil {
			each.after = each.before
		}
		var got bytes.Buffer
		changed, err := ReplaceAddresses(bytes.NewReader(image(filesMagic, other, each.before, other)), &got, addresses)
		if err != nil || changed != each.changed {
			t.Errorf("%s: changed %d, %v", name, changed, err)
		}
		if !bytes.Equal(got.Bytes(), image(filesMagic, other, each.after, other)) {
			t.Errorf("%s: got %x", name, got.Bytes())
		}
	}
	listener := socket(v4, stream, tcpListen, "10.0.0.5", "0.0.0.0")
	for name, file := range map[string][]byte{
		"cut":     image(filesMagic, listener)[:40],
		"kind":    image(memoryMagic, listener),
		"family":  image(filesMagic, socket(v6, stream, tcpListen, "10.0.0.5", "0.0.0.0")),
		"number":  image(filesMagic, message(internetSocket, 1)),
		"address": image(filesMagic, appendBytes(nil, internetSocket, appendBytes(message(familyField, v4), sourceField, []byte{1}))),
		"tag":     image(filesMagic, []byte{0x07}),
	} {
		if changed, err := ReplaceAddresses(bytes.NewReader(file), &bytes.Buffer{}, addresses); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: changed %d, %v", name, changed, err)
		}
	}
}

func FuzzReplaceAddresses(f *testing.F) {
	f.Add(image(filesMagic, message(1, 1, 2, 3), socket(unix.AF_INET, unix.SOCK_STREAM, tcpListen, "10.0.0.5", "0.0.0.0")))
	f.Add(image(filesMagic, socket(unix.AF_INET6, unix.SOCK_DGRAM, 1, "fd00::5", "::")))
	f.Fuzz(func(t *testing.T, file []byte) {
		var first, second, none bytes.Buffer
		changed, err := ReplaceAddresses(bytes.NewReader(file), &first, addresses)
		if err != nil {
			return
		}
		// The result has none of the addresses, and nothing changes without addresses.
		if again, err := ReplaceAddresses(bytes.NewReader(first.Bytes()), &second, addresses); again != 0 || err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("changed %d, then %d, %v", changed, again, err)
		}
		if count, err := ReplaceAddresses(bytes.NewReader(file), &none, nil); count != 0 || err != nil || !bytes.Equal(none.Bytes(), file) {
			t.Fatalf("without addresses: changed %d, %v", count, err)
		}
	})
}
