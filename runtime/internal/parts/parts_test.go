package parts

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"github.com/klauspost/compress/zstd"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func checksumOf(data []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
}

// content returns bytes of which zstd removes about a half. They depend on the seed only.
func content(seed uint64, size int) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(random.IntN(16))
	}
	return data
}

// fixture is the directory of a checkpoint with two image files, a root file system, a volume and /dev/shm.
type fixture struct {
	*checkpoint.Checkpoint
	root  *os.Root
	files map[string][]byte
}

func write(t testing.TB) fixture { return writeWith(t, 3<<20+7) }

func writeWith(t testing.TB, pages int) fixture {
	t.Helper()
	dir := t.TempDir()
	f := fixture{&checkpoint.Checkpoint{UID: "cp"}, nil, map[string][]byte{
		"containers/app/images/inventory.img": content(1, 100),
		"containers/app/images/pages-1.img":   content(2, pages),
		// Of pre-dumps.
		"containers/app/images/parent/inventory.img":        content(5, 90),
		"containers/app/images/parent/pages-1.img":          content(6, 1<<20),
		"containers/app/images/parent/parent/inventory.img": content(7, 80),
		"containers/app/rootfs.tar":                         content(3, 1<<20),
		"volumes/data.tar":                                  {},
		"shm.tar":                                           content(4, 5000),
	}}
	archive := func(name string) checkpoint.Archive {
		data := f.files[name]
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), data, 0o600))
		return checkpoint.Archive{Size: int64(len(data)), CRC32C: checksumOf(data)}
	}
	container := checkpoint.Container{Name: "app"}
	for _, each := range []string{
		"images/inventory.img", "images/pages-1.img", "images/parent/inventory.img", "images/parent/pages-1.img",
		"images/parent/parent/inventory.img", "rootfs.tar",
	} {
		stored := archive("containers/app/" + each)
		container.Files = append(container.Files, checkpoint.FileEntry{Path: each, Archive: stored})
	}
	shm := archive("shm.tar")
	f.Containers = []checkpoint.Container{container}
	f.Volumes = []checkpoint.Volume{{Name: "data", Archive: archive("volumes/data.tar")}}
	f.SharedMemory = &shm
	f.root = openRoot(t, dir)
	return f
}

func openRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return root
}

func (f fixture) part(t testing.TB, name string) *Part {
	t.Helper()
	part, err := Of(f.Checkpoint, name)
	must(t, err)
	return part
}

// into returns a function that writes segments to a stream.
func into(stream io.Writer) func(Segment, []byte) error {
	return func(_ Segment, content []byte) error {
		_, err := stream.Write(content)
		return err
	}
}

func export(t testing.TB, part *Part, root *os.Root) []byte {
	t.Helper()
	var stream bytes.Buffer
	must(t, part.Export(context.Background(), root, into(&stream)))
	return stream.Bytes()
}

// segmentsOf divides a stream into so many segments.
func segmentsOf(stream []byte, count int) []Segment {
	segments := []Segment{}
	for at := range count {
		piece := stream[at*len(stream)/count : (at+1)*len(stream)/count]
		segments = append(segments, Segment{int64(len(piece)), digestOf(piece)})
	}
	return segments
}

func stage(part *Part, root *os.Root, stream []byte) error {
	return part.Stage(root, ".part", bytes.NewReader(stream), segmentsOf(stream, 1))
}

func TestPartsArriveAsTheyWereExported(t *testing.T) {
	f, dir := write(t), t.TempDir()
	to := openRoot(t, dir)
	names := []string{}
	for _, part := range All(f.Checkpoint) {
		names = append(names, part.Name)
		stream := export(t, &part, f.root)
		if !bytes.Equal(stream, export(t, &part, f.root)) {
			t.Errorf("%s: two exports differ", part.Name)
		}
		if size, err := part.Size(); err != nil || size != plainSize(t, stream) {
			t.Errorf("%s: Size is %d, %v; the stream has %d", part.Name, size, err, plainSize(t, stream))
		}
		must(t, stage(&part, to, stream), part.Commit(to, ".part", "cp"))
	}
	if got := strings.Join(names, " "); got != "containers/app/rootfs containers/app/images volumes/data shm" {
		t.Errorf("got parts %s", got)
	}
	for name, want := range f.files {
		if got, err := os.ReadFile(filepath.Join(dir, "cp", name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, or other content", name, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

func plainSize(t *testing.T, stream []byte) int64 {
	decoder, err := zstd.NewReader(bytes.NewReader(stream))
	must(t, err)
	defer decoder.Close()
	size, err := io.Copy(io.Discard, decoder)
	must(t, err)
	return size
}

func TestUnknownPartsAreRejected(t *testing.T) {
	f := write(t)
	for _, name := range []string{"", "metadata", "containers/other/images", "containers/app", "volumes/../shm", "shm.tar"} {
		if part, err := Of(f.Checkpoint, name); err == nil {
			t.Errorf("%q is %v", name, part)
		}
	}
}

func TestExportFailsWithFilesThatTheMetadataDoesNotName(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"shorter": func(path string) error { return os.Truncate(path, 10) },
		"longer":  func(path string) error { return os.Truncate(path, 4<<20) },
		"missing": os.Remove,
		"link":    func(path string) error { return errors.Join(os.Remove(path), os.Symlink("inventory.img", path)) },
		"folder":  func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		f := write(t)
		must(t, change(filepath.Join(f.root.Name(), "containers/app/images/pages-1.img")))
		var stream bytes.Buffer
		if f.part(t, "containers/app/images").Export(context.Background(), f.root, into(&stream)) == nil {
			t.Errorf("%s: exported", name)
		}
		if stream.Len() > 0 && stage(f.part(t, "containers/app/images"), openRoot(t, t.TempDir()), stream.Bytes()) == nil {
			t.Errorf("%s: the stream looks complete", name)
		}
	}
}

func TestExportEndsWithItsContext(t *testing.T) {
	f := write(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	stopped := errors.New("stopped")
	cancel(stopped)
	if err := f.part(t, "shm").Export(ctx, f.root, into(io.Discard)); !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
	}
}

// large returns a part that has more than two segments.
func large(t *testing.T) (fixture, *Part) {
	f := write(t)
	data := make([]byte, 2*segmentBytes+5)
	_, err := rand.NewChaCha8([32]byte{1}).Read(data)
	must(t, err)
	must(t, f.root.WriteFile("shm.tar", data, 0o600))
	f.files["shm.tar"] = data
	f.SharedMemory = &checkpoint.Archive{Size: int64(len(data)), CRC32C: checksumOf(data)}
	return f, f.part(t, "shm")
}

func TestALargePartIsSentInSegments(t *testing.T) {
	f, part := large(t)
	var stream bytes.Buffer
	segments := []Segment{}
	must(t, part.Export(context.Background(), f.root, func(segment Segment, content []byte) error {
		segments = append(segments, segment)
		if want := (Segment{int64(len(content)), digestOf(content)}); segment != want {
			t.Errorf("segment %d is %v, not %v", len(segments), segment, want)
		}
		stream.Write(content)
		return nil
	}))
	if len(segments) != 3 || segments[0].Size != segmentBytes || segments[1].Size != segmentBytes {
		t.Errorf("got %v", segments)
	}
	to := openRoot(t, t.TempDir())
	must(t, part.Stage(to, ".part", &stream, segments), part.Commit(to, ".part", "cp"))
	if got, err := to.ReadFile("cp/shm.tar"); err != nil || !bytes.Equal(got, f.files["shm.tar"]) {
		t.Errorf("another file: %v", err)
	}
}

func TestExportEndsWhenASegmentCannotBeSent(t *testing.T) {
	f, part := large(t)
	broken, sent := errors.New("the client left"), 0
	err := part.Export(context.Background(), f.root, func(Segment, []byte) error {
		if sent++; sent == 2 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || sent != 2 {
		t.Errorf("sent %d segments: %v", sent, err)
	}
}

func TestAPartOfMoreThanATerabyteIsRejected(t *testing.T) {
	part := &Part{Name: "shm", Files: []File{{Path: "shm.tar", Archive: checkpoint.Archive{Size: 1<<40 + 1}}}, Archive: true}
	f := write(t)
	if err := part.Export(context.Background(), f.root, into(io.Discard)); err == nil || !strings.Contains(err.Error(), "1099511627777 bytes") {
		t.Errorf("got %v", err)
	}
}

func compress(t testing.TB, data []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var stream bytes.Buffer
	encoder, err := zstd.NewWriter(&stream, options...)
	must(t, err)
	_, err = encoder.Write(data)
	must(t, err, encoder.Close())
	return stream.Bytes()
}

// archiveOf returns an archive of entries that all have the content of inventory.img, or as much of it as fits.
func archiveOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	writer := tar.NewWriter(&out)
	for _, each := range entries {
		must(t, writer.WriteHeader(&each))
		_, err := writer.Write(content(1, int(each.Size)))
		must(t, err)
	}
	must(t, writer.Close())
	return out.Bytes()
}

func TestStageRejectsWhatTheMetadataDoesNotName(t *testing.T) {
	f := write(t)
	good := export(t, f.part(t, "containers/app/images"), f.root)
	inventory := tar.Header{Typeflag: tar.TypeReg, Name: "inventory.img", Size: 100}
	damaged := bytes.Clone(good)
	damaged[len(damaged)/2] ^= 1
	for name, stream := range map[string][]byte{
		"no zstd":             []byte("no zstd"),
		"empty":               {},
		"cut":                 good[:len(good)/2],
		"damaged":             damaged,
		"content after it":    append(bytes.Clone(good), compress(t, make([]byte, maxTrailer+1))...),
		"a missing file":      compress(t, archiveOf(t)),
		"only one file":       compress(t, archiveOf(t, inventory)),
		"other content":       compress(t, archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "pages-1.img", Size: 3<<20 + 7})),
		"a file twice":        compress(t, archiveOf(t, inventory, inventory)),
		"an unknown file":     compress(t, archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "../../../etc/passwd"})),
		"a link":              compress(t, archiveOf(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "inventory.img", Linkname: "/etc/passwd"})),
		"a large window":      compress(t, make([]byte, 32<<20), zstd.WithWindowSize(32<<20)),
		"no archive, no size": compress(t, make([]byte, 1<<20)),
	} {
		dir := t.TempDir()
		root := openRoot(t, dir)
		if err := stage(f.part(t, "containers/app/images"), root, stream); err == nil {
			t.Errorf("%s: staged", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

func TestStageComparesTheDigestsOfTheSegments(t *testing.T) {
	f := write(t)
	part := f.part(t, "shm")
	good := export(t, part, f.root)
	root := openRoot(t, t.TempDir())
	longer := Segment{int64(len(good)) + 1, digestOf(good)}
	swapped := segmentsOf(good, 3)
	swapped[1].SHA256 = swapped[0].SHA256
	for name, each := range map[string]struct {
		segments []Segment
		want     error
	}{
		"another digest":        {[]Segment{{int64(len(good)), digestOf([]byte("x"))}}, ErrDigest},
		"more bytes":            {[]Segment{longer}, io.ErrUnexpectedEOF},
		"fewer bytes":           {segmentsOf(good[:len(good)-1], 1), io.ErrUnexpectedEOF},
		"a segment of another":  {swapped, ErrDigest},
		"a segment that misses": {segmentsOf(good, 3)[:2], io.ErrUnexpectedEOF},
		"a segment too many":    {append(segmentsOf(good, 3), segmentsOf([]byte("x"), 1)...), io.ErrUnexpectedEOF},
	} {
		if err := part.Stage(root, ".part", bytes.NewReader(good), each.segments); !errors.Is(err, each.want) {
			t.Errorf("%s: got %v, want %v", name, err, each.want)
		}
	}
	// Bytes after the last segment belong to the connection.
	for _, count := range []int{1, 2, 7} {
		must(t, part.Stage(root, ".part", bytes.NewReader(append(good, "more"...)), segmentsOf(good, count)))
	}
}

func TestArchivesHaveTheSizeOfTheMetadata(t *testing.T) {
	f := write(t)
	root := openRoot(t, t.TempDir())
	data := f.files["shm.tar"]
	for _, each := range [][]byte{data[:len(data)-1], append(bytes.Clone(data), 0), make([]byte, len(data))} {
		if err := stage(f.part(t, "shm"), root, compress(t, each)); !errors.Is(err, ErrDigest) {
			t.Errorf("%d bytes: got %v", len(each), err)
		}
	}
}

func FuzzStage(f *testing.F) {
	// Small, so that there are many runs.
	set := writeWith(f, 300)
	part := set.part(f, "containers/app/images")
	f.Add(export(f, part, set.root))
	f.Add(compress(f, archiveOf(f, tar.Header{Typeflag: tar.TypeReg, Name: "inventory.img", Size: 100})))
	f.Add(archiveOf(f, tar.Header{Typeflag: tar.TypeSymlink, Name: "inventory.img", Linkname: "/"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		root := openRoot(t, dir)
		// Each input is tried as it is, and as an archive.
		for _, stream := range [][]byte{data, compress(t, data)} {
			if stage(part, root, stream) == nil {
				got, err := os.ReadFile(filepath.Join(dir, ".part/pages-1.img"))
				if err != nil || !bytes.Equal(got, set.files["containers/app/images/pages-1.img"]) {
					t.Errorf("staged another file: %v", err)
				}
			} else if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left %v", fmt.Sprint(left))
			}
		}
	})
}
