package probe

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseStatus(t *testing.T) {
	for text, want := range map[string]status{
		"Name:\tsh\nState:\tS (sleeping)\nPPid:\t7\nTracerPid:\t0\nNSpid:\t4711\t1\n": {name: "sh", parent: 7, inner: 1},
		"Name:\ta: b\nState:\tZ (zombie)\nPPid:\t1\nTracerPid:\t12\n":                 {name: "a: b", parent: 1, tracer: 12, zombie: true},
		"NSpid:\t12\n": {inner: 12}, "NSpid:\n": {}, "": {},
	} {
		if got := parseStatus(text); got != want {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestDescends(t *testing.T) {
	known := map[int]status{1: {parent: 100}, 2: {parent: 1}, 3: {parent: 2}, 4: {parent: 200}, 5: {parent: 4}, 6: {parent: 7}, 7: {parent: 6}}
	for pid, want := range map[int]bool{1: true, 2: true, 3: true, 4: false, 5: false, 6: false, 9: false} {
		if got := descends(known, pid, 1); got != want {
			t.Errorf("%d: got %t", pid, got)
		}
	}
}

func TestBelow(t *testing.T) {
	for own, want := range map[string]bool{
		"4:memory:/pod/c\n0::/pod/c\n": false, "4:memory:/pod/c/x\n0::/pod/c\n": true, "0::/pod/c/x\n": true,
		"0::/pod/cx\n": false, "0::/other\n": false, "9:cpu:/pod/c/x\n": false, "": false,
	} {
		if got := below(own, "4:memory:/pod/c\n0::/pod/c\n"); got != want {
			t.Errorf("%q: got %t", own, got)
		}
	}
}

func TestMapping(t *testing.T) {
	for line, want := range map[string]string{
		"7f0000000000-7f0000001000 rw-s 00000000 00:0e 53 /secretmem (deleted)":                 "/secretmem (deleted)",
		"7f0000000000-7f0000001000 rw-s 00000000 00:0e 53                anon_inode:[io_uring]": "anon_inode:[io_uring]",
		"7f0000000000-7f0000001000 rw-p 00000000 00:00 0":                                       "",
		"": "",
	} {
		if got := mapping(line); got != want {
			t.Errorf("%q: got %q", line, got)
		}
	}
}

func TestMountsIn(t *testing.T) {
	text := "1 2 0:30 / / rw - overlay overlay rw,lowerdir=/a\n3 1 0:31 / /tmp rw shared:5 - tmpfs tmpfs rw\nbad\n"
	want := []mounted{{"0:30", "/", "overlay"}, {"0:31", "/tmp", "tmpfs"}}
	if got := mountsIn(text); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

// diag returns a unix_diag_msg with attributes of 4 bytes.
func diag(kind byte, inode uint32, attributes map[uint16]uint32) []byte {
	data := make([]byte, diagBytes)
	data[0], data[1] = unix.AF_UNIX, kind
	binary.NativeEndian.PutUint32(data[4:], inode)
	for key, value := range attributes {
		data = binary.NativeEndian.AppendUint16(data, 8)
		data = binary.NativeEndian.AppendUint16(data, key)
		data = binary.NativeEndian.AppendUint32(data, value)
	}
	return data
}

func TestParseUnixSocket(t *testing.T) {
	want := unixSocket{kind: unix.SOCK_STREAM, inode: 7, connected: true, peer: 9}
	if got, valid := parseUnixSocket(diag(unix.SOCK_STREAM, 7, map[uint16]uint32{diagPeer: 9})); !valid || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %t", got, valid)
	}
	want = unixSocket{kind: unix.SOCK_STREAM, inode: 7, waiting: []uint64{8}}
	if got, valid := parseUnixSocket(diag(unix.SOCK_STREAM, 7, map[uint16]uint32{diagWaiting: 8, 5: 1})); !valid || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %t", got, valid)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "short": diag(1, 7, nil)[:8], "another family": {unix.AF_INET, 15: 0},
		"long attribute": append(diag(1, 7, nil), 200, 0, 2, 0), "short attribute": append(diag(1, 7, nil), 1, 0, 2, 0),
	} {
		if got, valid := parseUnixSocket(data); valid {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("Name:\tsh\nPPid:\t7\n"))
	f.Add([]byte("7f0000000000-7f0000001000 rw-s 00000000 00:0e 53 /secretmem"))
	f.Add([]byte("inotify wd:1 ino:3f sdev:30 mask:2\nit_value: (0, 0)\nit_interval: (0, 1)\n"))
	f.Add([]byte("1 2 0:30 / / rw - overlay overlay rw"))
	f.Add(diag(unix.SOCK_STREAM, 7, map[uint16]uint32{diagPeer: 9}))
	f.Fuzz(func(t *testing.T, data []byte) {
		parseStatus(string(data))
		mapping(string(data))
		mountsIn(string(data))
		parseUnixSocket(data)
		watches(string(data), "inotify")
		expired(string(data))
		below(string(data), "4:memory:/pod/c\n")
	})
}
