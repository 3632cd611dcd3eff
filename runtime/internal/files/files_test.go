package files

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it changes owners and creates devices")
	}
}

func pack(t testing.TB, dir string, options PackOptions) []byte {
	t.Helper()
	var archive bytes.Buffer
	if _, err := Pack(dir, &archive, options); err != nil {
		t.Fatal(err)
	}
	return archive.Bytes()
}

func unpack(t testing.TB, archive []byte, dir string, options UnpackOptions) {
	t.Helper()
	if _, err := Unpack(bytes.NewReader(archive), dir, options); err != nil {
		t.Fatal(err)
	}
}

// tree describes every entry below a directory: name, type and mode, owner, time, content, links, extended attributes.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var text strings.Builder
	first := map[uint64]string{}
	must(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		must(t, err)
		name := strings.TrimPrefix(path, dir)
		var stat unix.Stat_t
		must(t, unix.Lstat(path, &stat))
		fmt.Fprintf(&text, "%q %o %d:%d %d.%d %d", name, stat.Mode, stat.Uid, stat.Gid, stat.Mtim.Sec, stat.Mtim.Nsec, stat.Rdev)
		if stat.Mode&unix.S_IFMT != unix.S_IFDIR && stat.Nlink > 1 {
			if _, known := first[stat.Ino]; !known {
				first[stat.Ino] = name
			}
			fmt.Fprintf(&text, " link of %q", first[stat.Ino])
		}
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			content, err := os.ReadFile(path)
			must(t, err)
			fmt.Fprintf(&text, " %q", content)
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			must(t, err)
			fmt.Fprintf(&text, " -> %q", target)
		}
		names := make([]byte, 4096)
		size, _ := unix.Llistxattr(path, names)
		for each := range strings.SplitSeq(strings.TrimSuffix(string(names[:max(size, 0)]), "\x00"), "\x00") {
			value := make([]byte, 4096)
			if size, err := unix.Lgetxattr(path, each, value); each != "" && err == nil {
				fmt.Fprintf(&text, " %s=%q", each, value[:size])
			}
		}
		text.WriteString("\n")
		return nil
	}))
	return text.String()
}

// fill creates a random tree with every type of file.
func fill(t testing.TB, dir string, random *rand.Rand) {
	directories, regular := []string{dir}, []string{}
	for i := range 60 {
		name := filepath.Join(directories[random.IntN(len(directories))], fmt.Sprintf("%c\xff %d", 'a'+rune(random.IntN(26)), i))
		switch random.IntN(8) {
		case 0, 1:
			must(t, os.Mkdir(name, 0o700))
			directories = append(directories, name)
		case 2:
			must(t, os.Symlink("../"+strings.Repeat("x", random.IntN(150)), name))
			must(t, os.Lchown(name, 5, 6))
			continue
		case 3:
			must(t, unix.Mkfifo(name, 0o600))
		case 4:
			must(t, unix.Mknod(name, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
		case 5:
			if len(regular) > 0 {
				must(t, os.Link(regular[random.IntN(len(regular))], name))
			}
			continue
		default:
			must(t, os.WriteFile(name, bytes.Repeat([]byte{byte(i)}, random.IntN(3000)), 0o600))
			if err := unix.Setxattr(name, "user.note", []byte{0, byte(i), '='}, 0); err != nil && err != unix.ENOTSUP {
				t.Fatal(err)
			}
			regular = append(regular, name)
		}
		must(t, os.Chown(name, random.IntN(3), random.IntN(70000)), unix.Chmod(name, uint32(random.IntN(0o10000))))
		at := time.Unix(int64(random.IntN(2e9)), int64(random.IntN(1e9)))
		must(t, os.Chtimes(name, at, at))
	}
}

func TestUnpackRestoresWhatPackRead(t *testing.T) {
	needsRoot(t)
	for seed := range uint64(20) {
		from, to := t.TempDir(), t.TempDir()
		fill(t, from, rand.New(rand.NewPCG(seed, 1)))
		archive := pack(t, from, PackOptions{})
		unpack(t, archive, to, UnpackOptions{Devices: true})
		if got, want := tree(t, to), tree(t, from); got != want {
			t.Fatalf("seed %d:\n%s\nwant\n%s", seed, got, want)
		}
		if !bytes.Equal(archive, pack(t, to, PackOptions{})) {
			t.Fatalf("seed %d: the copy gives another archive", seed)
		}
		// A second time over the same content.
		unpack(t, archive, to, UnpackOptions{Devices: true})
		if got, want := tree(t, to), tree(t, from); got != want {
			t.Fatalf("seed %d: unpacked twice:\n%s\nwant\n%s", seed, got, want)
		}
	}
}

// TestOverlayDeletions mounts a real overlay, changes it, and compares the merged directory with a lower directory over
// which the archive of the upper one was unpacked.
func TestOverlayDeletions(t *testing.T) {
	needsRoot(t)
	base := t.TempDir()
	lower, upper, work, merged := base+"/lower", base+"/upper", base+"/work", base+"/merged"
	for _, each := range []string{lower, upper, work, merged} {
		must(t, os.Mkdir(each, 0o755))
	}
	must(t, unix.Mount("tmpfs", base+"/work", "tmpfs", 0, ""))
	defer unix.Unmount(base+"/work", unix.MNT_DETACH)
	upper, work = base+"/work/upper", base+"/work/work"
	must(t, os.Mkdir(upper, 0o755), os.Mkdir(work, 0o755))
	must(t, os.MkdirAll(lower+"/etc/old", 0o755), os.MkdirAll(lower+"/replaced/sub", 0o755), os.MkdirAll(lower+"/becomes-file/x", 0o755))
	must(t, os.WriteFile(lower+"/etc/gone", []byte("1"), 0o644), os.WriteFile(lower+"/etc/stays", []byte("1"), 0o644))
	must(t, os.WriteFile(lower+"/replaced/sub/hidden", []byte("1"), 0o644), os.WriteFile(lower+"/becomes-dir", []byte("1"), 0o644))
	must(t, os.Symlink("/etc", lower+"/link"))
	if err := unix.Mount("overlay", merged, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)); err != nil {
		t.Skipf("cannot mount an overlay: %v", err)
	}
	defer unix.Unmount(merged, unix.MNT_DETACH)
	must(t, os.Remove(merged+"/etc/gone"), os.RemoveAll(merged+"/etc/old"), os.RemoveAll(merged+"/replaced"), os.Mkdir(merged+"/replaced", 0o750))
	must(t, os.WriteFile(merged+"/replaced/new", []byte("n"), 0o4755), os.Remove(merged+"/becomes-dir"), os.Mkdir(merged+"/becomes-dir", 0o700))
	must(t, os.RemoveAll(merged+"/becomes-file"), os.WriteFile(merged+"/becomes-file", nil, 0o600))
	must(t, os.Remove(merged+"/link"), os.Mkdir(merged+"/link", 0o755), os.WriteFile(merged+"/link/below", []byte("b"), 0o644))
	must(t, os.WriteFile(merged+"/etc/stays", []byte("changed"), 0o644))

	archive := pack(t, upper, PackOptions{Overlay: true})
	options := UnpackOptions{Overlay: true}
	if _, err := Check(bytes.NewReader(archive), options); err != nil {
		t.Fatal(err)
	}
	unpack(t, archive, lower, options)
	if got, want := tree(t, lower), tree(t, merged); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := Check(bytes.NewReader(archive), UnpackOptions{}); err == nil {
		t.Error("deletions are accepted without Overlay")
	}
}

func TestPackLeavesOutSocketsAndRejectsWhatItCannotStore(t *testing.T) {
	dir := t.TempDir()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Bind(fd, &unix.SockaddrUnix{Name: dir + "/s"}))
	summary, err := Pack(dir, &bytes.Buffer{}, PackOptions{})
	if err != nil || summary.Sockets != 1 || summary.Entries != 1 {
		t.Errorf("got %+v, %v", summary, err)
	}
	must(t, os.Mkdir(dir+"/skipped", 0o700))
	skip := func(base string) bool { return base == "skipped" }
	if summary, err := Pack(dir, &bytes.Buffer{}, PackOptions{Skip: skip}); err != nil || summary.Entries != 1 {
		t.Errorf("got %+v, %v", summary, err)
	}
	must(t, os.WriteFile(dir+"/.wh.name", nil, 0o600))
	if _, err := Pack(dir, &bytes.Buffer{}, PackOptions{Overlay: true}); err == nil || !strings.Contains(err.Error(), "cannot be stored") {
		t.Errorf("got %v", err)
	}
}

func TestPackFollowsNoLinkAndKeepsLimits(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	must(t, os.WriteFile(outside+"/secret", []byte("secret"), 0o600), os.Symlink(outside, dir+"/link"))
	if archive := pack(t, dir, PackOptions{}); bytes.Contains(archive, []byte("secret")) {
		t.Error("the archive has a file of another directory")
	}
	if _, err := Pack(dir+"/link", &bytes.Buffer{}, PackOptions{}); err == nil {
		t.Error("a link in the place of the directory is followed")
	}
	must(t, os.WriteFile(dir+"/big", make([]byte, 1000), 0o600))
	for _, limits := range []Limits{{Bytes: 999}, {Entries: 2}} {
		if _, err := Pack(dir, &bytes.Buffer{}, PackOptions{Limits: limits}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: got %v", limits, err)
		}
	}
	archive := pack(t, dir, PackOptions{Limits: Limits{Bytes: 1000, Entries: 3}})
	for _, limits := range []Limits{{Bytes: 999}, {Entries: 2}} {
		if _, err := Unpack(bytes.NewReader(archive), t.TempDir(), UnpackOptions{Limits: limits}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%+v: got %v", limits, err)
		}
	}
}

// archiveOf returns an archive with the headers as they are.
func archiveOf(t testing.TB, headers ...*tar.Header) []byte {
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, each := range headers {
		each.Format = tar.FormatPAX
		if each.Mode == 0 {
			each.Mode = 0o644
		}
		must(t, writer.WriteHeader(each))
		_, err := writer.Write(make([]byte, each.Size))
		must(t, err)
	}
	must(t, writer.Close())
	return archive.Bytes()
}

func TestUnpackNeverWritesThroughLinks(t *testing.T) {
	file := func(name string) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeReg, Name: name, Uid: os.Getuid(), Gid: os.Getgid()}
	}
	dir := func(name string) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, Uid: os.Getuid(), Gid: os.Getgid()}
	}
	link := func(name, target string) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Uid: os.Getuid(), Gid: os.Getgid()}
	}
	hard := func(name, target string) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}
	}
	outside := t.TempDir()
	must(t, os.WriteFile(outside+"/victim", []byte("kept"), 0o600), os.Mkdir(outside+"/dir", 0o700))
	before := tree(t, outside)
	for title, each := range map[string]struct {
		entries []*tar.Header
		invalid bool
	}{
		"parent of the archive":   {[]*tar.Header{link("a", outside), file("a/victim")}, true},
		"link in the image":       {[]*tar.Header{file("image/victim")}, true},
		"file over a link":        {[]*tar.Header{file("to-victim")}, false},
		"directory over a link":   {[]*tar.Header{dir("image/"), file("image/victim")}, false},
		"deletion through a link": {[]*tar.Header{file("image/.wh.victim")}, true},
		"opaque through a link":   {[]*tar.Header{file("image/.wh..wh..opq")}, true},
		"deletion of a link":      {[]*tar.Header{file(".wh.image")}, false},
		"hard link through one":   {[]*tar.Header{hard("h", "image/victim")}, true},
		"hard link to a link":     {[]*tar.Header{hard("h", "to-victim"), file("h")}, false},
		"parent directory":        {[]*tar.Header{file("../victim")}, true},
		"inner parent directory":  {[]*tar.Header{file("x/../../victim")}, true},
		"absolute path":           {[]*tar.Header{file(outside + "/victim")}, true},
		"hard link outside":       {[]*tar.Header{hard("h", "../victim")}, true},
		"deletion of the parent":  {[]*tar.Header{file(".wh...")}, true},
		"deletion of itself":      {[]*tar.Header{file(".wh..")}, true},
		"root as a link":          {[]*tar.Header{link("./", outside), file("victim")}, true},
	} {
		root := t.TempDir()
		must(t, os.Symlink(outside, root+"/image"), os.Symlink(outside+"/victim", root+"/to-victim"))
		_, err := Unpack(bytes.NewReader(archiveOf(t, each.entries...)), root, UnpackOptions{Overlay: true})
		if (err != nil) != each.invalid {
			t.Errorf("%s: got %v", title, err)
		}
		if after := tree(t, outside); after != before {
			t.Fatalf("%s: changed a file outside:\n%s", title, after)
		}
	}
}

func TestCheckRejectsInvalidEntries(t *testing.T) {
	for title, each := range map[string]*tar.Header{
		"device":      {Typeflag: tar.TypeChar, Name: "d", Devmajor: 1, Devminor: 3},
		"overlay":     {Typeflag: tar.TypeDir, Name: "d", PAXRecords: map[string]string{xattrRecord + "trusted.overlay.opaque": "y"}},
		"owner":       {Typeflag: tar.TypeReg, Name: "d", Uid: 1 << 32},
		"empty part":  {Typeflag: tar.TypeReg, Name: "a//b"},
		"no name":     {Typeflag: tar.TypeReg, Name: ""},
		"long name":   {Typeflag: tar.TypeReg, Name: strings.Repeat("x", 256)},
		"whiteout":    {Typeflag: tar.TypeReg, Name: ".wh.x", Size: 1},
		"link marker": {Typeflag: tar.TypeSymlink, Name: ".wh.x", Linkname: "y"},
	} {
		archive := archiveOf(t, each)
		if _, err := Check(bytes.NewReader(archive), UnpackOptions{Overlay: true}); err == nil {
			t.Errorf("%s: no error", title)
		}
		dir := t.TempDir()
		if _, err := Unpack(bytes.NewReader(archive), dir, UnpackOptions{Overlay: true}); err == nil {
			t.Errorf("%s: unpacked", title)
		}
		if names, _ := os.ReadDir(dir); len(names) > 0 {
			t.Errorf("%s: created %v", title, names)
		}
	}
	truncated := archiveOf(t, &tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 5000})[:3000]
	if _, err := Check(bytes.NewReader(truncated), UnpackOptions{}); err == nil {
		t.Error("a truncated archive is accepted")
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archiveOf(f, &tar.Header{Typeflag: tar.TypeDir, Name: "./"}, &tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: 3}))
	f.Add(archiveOf(f, &tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../../x"}, &tar.Header{Typeflag: tar.TypeReg, Name: "l/x"}))
	f.Add(archiveOf(f, &tar.Header{Typeflag: tar.TypeLink, Name: "h", Linkname: "lower/file"}, &tar.Header{Typeflag: tar.TypeReg, Name: "lower/.wh.file"}))
	f.Fuzz(func(t *testing.T, archive []byte) {
		base := t.TempDir()
		must(t, os.Mkdir(base+"/root", 0o755), os.Mkdir(base+"/outside", 0o755), os.Symlink("../outside", base+"/root/l"))
		must(t, os.WriteFile(base+"/outside/x", []byte("kept"), 0o600))
		outside := tree(t, base+"/outside")
		options := UnpackOptions{Overlay: true, Limits: Limits{Bytes: 1 << 20, Entries: 1000}}
		_, checkError := Check(bytes.NewReader(archive), options)
		_, err := Unpack(bytes.NewReader(archive), base+"/root", options)
		if checkError != nil && err == nil {
			t.Errorf("Check rejects what Unpack accepts: %v", checkError)
		}
		if after := tree(t, base+"/outside"); after != outside {
			t.Errorf("changed a file outside: %s", after)
		}
		entries, err := os.ReadDir(base)
		must(t, err)
		names := []string{}
		for _, each := range entries {
			names = append(names, each.Name())
		}
		if !slices.Equal(names, []string{"outside", "root"}) {
			t.Errorf("created files outside: %v", names)
		}
	})
}
