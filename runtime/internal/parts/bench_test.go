package parts

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const benchBytes = 128 << 20

// random returns bytes that do not compress.
func random(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// measure reports the processor time of a step that handles so many bytes, in seconds for 1 GiB: unlike the time of the clock, it
// can be compared on a machine that does other work too. Clean runs after each step and is not measured.
func measure(b *testing.B, size int64, step func(), clean func()) {
	b.Helper()
	processor := func() time.Duration {
		var usage unix.Rusage
		must(b, unix.Getrusage(unix.RUSAGE_SELF, &usage))
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	b.SetBytes(size)
	spent := time.Duration(0)
	for b.Loop() {
		begin := processor()
		step()
		spent += processor() - begin
		b.StopTimer()
		clean()
		b.StartTimer()
	}
	b.ReportMetric(spent.Seconds()/float64(b.N)*(1<<30)/float64(size), "cpu-s/GiB")
}

func nothing() {}

// BenchmarkStage writes an image set from the bytes of a registry, as the service does for a restore. The other benchmarks are its
// steps, each alone.
func BenchmarkStage(b *testing.B) {
	f := writeWith(b, 0)
	data := random(benchBytes)
	must(b, f.root.WriteFile("containers/app/images/pages-1.img", data, 0o600))
	for i, each := range f.Containers[0].Files {
		if each.Path == "images/pages-1.img" {
			f.Containers[0].Files[i].Archive = checkpoint.Archive{Size: benchBytes, CRC32C: checksumOf(data)}
		}
	}
	part, err := Of(f.Checkpoint, "containers/app/images")
	must(b, err)
	var segments []Segment
	var compressed bytes.Buffer
	must(b, part.Export(context.Background(), f.root, func(segment Segment, content []byte) error {
		segments = append(segments, segment)
		compressed.Write(content)
		return nil
	}))
	measure(b, benchBytes, func() {
		must(b, part.Stage(f.root, "staged", bytes.NewReader(compressed.Bytes()), segments))
	}, func() { must(b, f.root.RemoveAll("staged")) })
}

func BenchmarkSHA256(b *testing.B) {
	data := random(segmentBytes)
	measure(b, segmentBytes, func() { sha256.Sum256(data) }, nothing)
}

func BenchmarkCRC32C(b *testing.B) {
	data, sum := random(segmentBytes), checkpoint.NewChecksum()
	measure(b, segmentBytes, func() { sum.Write(data) }, nothing)
}

// BenchmarkDecompress decompresses what zstd could not compress: it copies.
func BenchmarkDecompress(b *testing.B) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	must(b, err)
	compressed := encoder.EncodeAll(random(segmentBytes), nil)
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.IgnoreChecksum(true))
	must(b, err)
	defer decoder.Close()
	content := make([]byte, 0, segmentBytes)
	measure(b, segmentBytes, func() {
		content, err = decoder.DecodeAll(compressed, content[:0])
		must(b, err)
	}, nothing)
}

// BenchmarkWrite writes a new file to the page cache.
func BenchmarkWrite(b *testing.B) {
	root, data := openRoot(b, b.TempDir()), random(pieceBytes)
	measure(b, benchBytes, func() {
		file, err := root.OpenFile("file", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		must(b, err)
		for range benchBytes / pieceBytes {
			_, err := file.Write(data)
			must(b, err)
		}
		must(b, file.Close())
	}, func() { must(b, root.Remove("file")) })
}

// BenchmarkRestore does what CRIU does with the memory of a process: it reads a file from the page cache into new memory.
func BenchmarkRestore(b *testing.B) {
	root := openRoot(b, b.TempDir())
	must(b, root.WriteFile("file", random(benchBytes), 0o600))
	file, err := root.Open("file")
	must(b, err)
	defer file.Close()
	var memory []byte
	measure(b, benchBytes, func() {
		memory, err = unix.Mmap(-1, 0, benchBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		must(b, err)
		_, err = file.Seek(0, io.SeekStart)
		must(b, err)
		_, err = io.ReadFull(file, memory)
		must(b, err)
	}, func() { must(b, unix.Munmap(memory)) })
}
