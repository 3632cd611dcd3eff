package parts

import (
	"archive/tar"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const (
	// maxWindow is the memory that a stream may demand. Export uses 4 MiB.
	maxWindow = 8 << 20
	// maxTrailer bounds what may follow the end of a tar archive: other programs fill it up to a multiple of 10 KiB.
	maxTrailer = 64 << 10
	decoders   = 2
)

// ErrDigest is returned for content that has another size, sha256 or checksum than its name demands.
var ErrDigest = errors.New("the content differs from its digest")

// Stage reads the compressed archive of a part, which consists of exactly these segments, and writes its files below a
// temporary directory of root. Each file must have the size and checksum of the metadata. Commit publishes them.
//
// On an error it removes what it wrote.
func (p *Part) Stage(root *os.Root, temporary string, from io.Reader, segments []Segment) (err error) {
	if err := root.RemoveAll(temporary); err != nil {
		return err
	}
	if err := root.Mkdir(temporary, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, root.RemoveAll(temporary))
		}
	}()
	compressed := NewVerifier(from, segments)
	read := readAhead(compressed)
	// Each segment has its sha256 and each file its checksum: that of the frame is a third one of the same bytes.
	decoder, err := zstd.NewReader(read, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(decoders), zstd.IgnoreChecksum(true))
	if err != nil {
		read.stop()
		return err
	}
	defer func() {
		// The decoder waits for its read.
		read.stop()
		decoder.Close()
	}()
	w := writer{root: root, temporary: temporary, buffer: make([]byte, bufferBytes)}
	if p.Archive {
		err = w.file(p.Files[0], decoder)
	} else {
		err = w.files(p.Files, decoder)
	}
	if err == nil {
		err = ended(decoder)
	}
	if err == nil {
		err = compressed.Verify()
	}
	return err
}

// Commit moves what Stage wrote to its place in the checkpoint's directory, which is below root.
func (p *Part) Commit(root *os.Root, temporary, directory string) error {
	to := path.Join(directory, p.Path)
	if err := root.MkdirAll(path.Dir(to), 0o700); err != nil {
		return err
	}
	from := temporary
	if p.Archive {
		from = path.Join(temporary, staged(p.Files[0]))
	}
	if err := root.Rename(from, to); err != nil {
		return err
	}
	return root.RemoveAll(temporary)
}

func staged(file File) string {
	if file.Name == "" {
		return "archive"
	}
	return file.Name
}

type writer struct {
	root      *os.Root
	temporary string
	buffer    []byte
}

// files reads a tar archive that has each file once and nothing else.
func (w *writer) files(files []File, from io.Reader) error {
	missing := make(map[string]File, len(files))
	for _, each := range files {
		missing[each.Name] = each
	}
	archive := tar.NewReader(from)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		want, found := missing[header.Name]
		if !found || header.Typeflag != tar.TypeReg {
			return fmt.Errorf("the archive has %.300q, which the metadata does not name", header.Name)
		}
		delete(missing, header.Name)
		if err := w.file(want, archive); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the archive lacks %d files", len(missing))
	}
	return nil
}

// file writes one file with the size and checksum of the metadata.
func (w *writer) file(want File, from io.Reader) error {
	if directory := path.Dir(want.Name); directory != "." {
		if err := w.root.MkdirAll(path.Join(w.temporary, directory), 0o700); err != nil {
			return err
		}
	}
	to, err := w.root.OpenFile(path.Join(w.temporary, staged(want)), os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	checksum := checkpoint.NewChecksum()
	// One byte more than the file has shows that it is longer.
	written, err := io.CopyBuffer(io.MultiWriter(struct{ io.Writer }{to}, checksum), struct{ io.Reader }{io.LimitReader(from, want.Size+1)}, w.buffer)
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	if written != want.Size || hex.EncodeToString(checksum.Sum(nil)) != want.CRC32C {
		return fmt.Errorf("%s: %w", want.Path, ErrDigest)
	}
	return nil
}

// ended reads to the end of a stream, which may only have the padding of an archive left.
func ended(from io.Reader) error {
	left, err := io.Copy(io.Discard, io.LimitReader(from, maxTrailer+1))
	if err == nil && left > maxTrailer {
		err = errors.New("the archive has content after its end")
	}
	return err
}
