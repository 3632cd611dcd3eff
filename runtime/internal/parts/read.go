package parts

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const (
	// bufferBytes is the size of one read of a file.
	bufferBytes = 1 << 20
	// encoders bounds the processors that one stream uses: the pod runs at the same time.
	encoders = 2
)

// Export reads the archive of a part from the directory of its checkpoint, compresses it, and sends it in segments. All are one
// stream of zstd; of a part that has Pieces, each segment is a frame of its own. The content is valid until send returns.
func (p *Part) Export(ctx context.Context, root *os.Root, send func(Segment, []byte) error) error {
	size, err := p.Size()
	if err != nil {
		return err
	}
	to, err := newDivider(ctx, size, send)
	if err != nil {
		return err
	}
	return to.end(p.compress(to.ctx, root, to))
}

func (p *Part) compress(ctx context.Context, root *os.Root, to *divider) error {
	encoder, err := zstd.NewWriter(to, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(encoders))
	if err != nil {
		return err
	}
	pieces, err := p.Pieces()
	if err != nil {
		return err
	}
	var archive io.Writer = encoder
	if pieces != nil {
		archive = newFramer(pieces, encoder, to)
	}
	if err := p.write(ctx, root, archive); err != nil {
		// Close would write an end, as if the stream were complete.
		encoder.Reset(io.Discard)
		_ = encoder.Close()
		return err
	}
	if pieces != nil {
		// The last piece ended with the archive.
		encoder.Reset(io.Discard)
	}
	return encoder.Close()
}

func (p *Part) write(ctx context.Context, root *os.Root, to io.Writer) error {
	buffer := make([]byte, bufferBytes)
	if p.Archive {
		return copyFile(ctx, root, p.Files[0], to, buffer)
	}
	out := tar.NewWriter(to)
	for _, each := range p.Files {
		if err := out.WriteHeader(headerOf(each)); err != nil {
			return err
		}
		if err := copyFile(ctx, root, each, out, buffer); err != nil {
			return err
		}
	}
	return out.Close()
}

// copyFile writes a file, which must have the size that the metadata names.
func copyFile(ctx context.Context, root *os.Root, file File, to io.Writer, buffer []byte) error {
	from, err := root.OpenFile(file.Path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() != file.Size {
		return fmt.Errorf("%s is not a file of %d bytes", file.Path, file.Size)
	}
	left := file.Size
	for left > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		read, err := io.ReadFull(from, buffer[:min(left, bufferBytes)])
		if err != nil {
			return fmt.Errorf("%s became shorter: %w", file.Path, err)
		}
		if _, err := to.Write(buffer[:read]); err != nil {
			return err
		}
		left -= int64(read)
	}
	return nil
}
