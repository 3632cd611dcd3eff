package parts

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// pieceMargin is the reciprocal of what zstd may add to a piece: it adds 3 bytes to each 128 KiB that it cannot compress, and
// less than 100 to a frame.
const pieceMargin = 256

// Pieces divides the archive of an image set, whose files with pages come last: each piece is one segment that can be read
// without the others. First come the pieces with all other files, then those with the pages.
type Pieces struct {
	// Head is the size of what comes before the files with pages, Size that of the archive, and Bytes that of a piece. The
	// last one of the head, and the last one of all, can be shorter.
	Head  int64 `json:"head"`
	Size  int64 `json:"size"`
	Bytes int64 `json:"bytes"`
	spans []span
}

// span is a part of the archive.
type span struct {
	start, end int64
	// file is whose content it is.
	file *File
	// expected is the content of what is no file.
	expected []byte
}

// IsPages says if a file of an image set, by its name or path, has pages of memory.
func IsPages(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, "pages-") && strings.HasSuffix(base, ".img")
}

// ContainerOf returns the container whose image set a part is, by the name of the part; empty for other parts.
func ContainerOf(name string) string {
	if directory, base := path.Split(name); base == images {
		return path.Base(directory)
	}
	return ""
}

// Pieces returns how a part is divided into pieces, or nil if it is not: it has no pages.
func (p *Part) Pieces() (*Pieces, error) {
	if p.Archive || !IsPages(p.Files[len(p.Files)-1].Name) {
		return nil, nil
	}
	made := &Pieces{Head: -1}
	add := func(size int64, file *File, expected []byte) {
		if size > 0 {
			made.spans = append(made.spans, span{made.Size, made.Size + size, file, expected})
			made.Size += size
		}
	}
	for at := range p.Files {
		each := &p.Files[at]
		if made.Head < 0 && IsPages(each.Name) {
			made.Head = made.Size
		}
		var header bytes.Buffer
		if err := tar.NewWriter(&header).WriteHeader(headerOf(*each)); err != nil {
			return nil, err
		}
		add(int64(header.Len()), nil, header.Bytes())
		add(each.Size, each, nil)
		padding := (blockBytes - each.Size%blockBytes) % blockBytes
		add(padding, nil, make([]byte, padding))
	}
	add(trailerBytes, nil, make([]byte, trailerBytes))
	limit, err := limitOf(made.Size)
	made.Bytes = limit - limit/pieceMargin
	return made, err
}

// HeadCount returns how many pieces have the files without pages.
func (p *Pieces) HeadCount() int { return int((p.Head + p.Bytes - 1) / p.Bytes) }

// Count returns how many pieces there are.
func (p *Pieces) Count() int {
	return p.HeadCount() + int((p.Size-p.Head+p.Bytes-1)/p.Bytes)
}

// At returns the begin and the end of a piece in the archive.
func (p *Pieces) At(piece int) (start, end int64) {
	if piece < p.HeadCount() {
		start = int64(piece) * p.Bytes
		return start, min(start+p.Bytes, p.Head)
	}
	start = p.Head + int64(piece-p.HeadCount())*p.Bytes
	return start, min(start+p.Bytes, p.Size)
}

// Of returns the piece with a byte of the archive.
func (p *Pieces) Of(offset int64) int {
	if offset < p.Head {
		return int(offset / p.Bytes)
	}
	return p.HeadCount() + int((offset-p.Head)/p.Bytes)
}

// Offset returns the place of a file's content in the archive; false for an empty or unknown one.
func (p *Pieces) Offset(name string) (int64, bool) {
	for _, each := range p.spans {
		if each.file != nil && each.file.Name == name {
			return each.start, true
		}
	}
	return 0, false
}

// Write writes what a piece has of files below a directory of root. What else it has must be what Export writes.
func (p *Pieces) Write(root *os.Root, directory string, piece int, content []byte) error {
	start, end := p.At(piece)
	if int64(len(content)) != end-start {
		return fmt.Errorf("piece %d has %d bytes, not %d: %w", piece, len(content), end-start, ErrDigest)
	}
	for _, each := range p.spans {
		from, to := max(start, each.start), min(end, each.end)
		if from >= to {
			continue
		}
		part := content[from-start : to-start]
		if each.file == nil {
			if !bytes.Equal(part, each.expected[from-each.start:to-each.start]) {
				return fmt.Errorf("piece %d has something else than the metadata names: %w", piece, ErrDigest)
			}
			continue
		}
		if err := writeAt(root, path.Join(directory, each.file.Name), part, from-each.start); err != nil {
			return err
		}
	}
	return nil
}

func writeAt(root *os.Root, name string, content []byte, offset int64) error {
	file, err := root.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = file.WriteAt(content, offset)
	return err
}

// NewDecoder returns a decoder for Decode.
func (p *Pieces) NewDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(uint64(p.Bytes)), zstd.WithDecoderConcurrency(1), zstd.IgnoreChecksum(true))
}

// Decode returns the content of a piece in the memory of a buffer. The compressed content must have its digest.
func (p *Pieces) Decode(decoder *zstd.Decoder, compressed, buffer []byte) ([]byte, error) {
	content, err := decoder.DecodeAll(compressed, buffer[:0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDigest, err)
	}
	return content, nil
}

// framer compresses what is written to it as pieces.
type framer struct {
	pieces  *Pieces
	piece   int
	left    int64
	encoder *zstd.Encoder
	to      *divider
}

func newFramer(pieces *Pieces, encoder *zstd.Encoder, to *divider) *framer {
	start, end := pieces.At(0)
	return &framer{pieces: pieces, left: end - start, encoder: encoder, to: to}
}

func (f *framer) Write(data []byte) (int, error) {
	written := 0
	for written < len(data) {
		if f.left == 0 {
			return written, io.ErrShortWrite
		}
		taken := int(min(int64(len(data)-written), f.left))
		if _, err := f.encoder.Write(data[written : written+taken]); err != nil {
			return written, err
		}
		written += taken
		if f.left -= int64(taken); f.left == 0 {
			if err := f.end(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// end ends a piece.
func (f *framer) end() error {
	if err := f.encoder.Close(); err != nil {
		return err
	}
	if err := f.to.cut(); err != nil {
		return err
	}
	f.encoder.Reset(f.to)
	f.piece++
	if f.piece < f.pieces.Count() {
		start, end := f.pieces.At(f.piece)
		f.left = end - start
	}
	return nil
}
