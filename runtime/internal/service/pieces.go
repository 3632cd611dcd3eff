package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/parts"
	"github.com/klauspost/compress/zstd"
)

// reasonContent is the reason for a piece that differs from its digest.
const reasonContent = "ContentInvalid"

// piecesAhead is how many pieces a client is asked for before the first of them is there. The agent downloads as many layers of
// a part at a time.
const piecesAhead = 3

// wantedPiece asks the client for the bytes of a piece. It sends pieces in the order of the requests.
type wantedPiece struct {
	Piece int `json:"piece"`
}

// pieceSource is a client that sends the pieces that it is asked for.
type pieceSource interface {
	io.Reader
	want(piece int) error
}

func (s *stream) want(piece int) error { return s.respond(wantedPiece{piece}, nil) }

// fetcher gets pieces from a client, and writes their content to the files of an image set.
type fetcher struct {
	from   pieceSource
	memory *arrival.Memory
	pieces *parts.Pieces
	// turn waits for permission to decompress a piece, and returns a function that ends it. It can be nil.
	turn func() (func(), error)
	// root and directory are where the files are. They exist.
	root      *os.Root
	directory string

	decoder             *zstd.Decoder
	compressed, content []byte
}

// chooser returns the next piece to ask for, of those that are not excluded, or false if there is none.
type chooser func(excluded func(piece int) bool) (int, bool)

// inOrder chooses pieces of a list that are not there.
func inOrder(memory *arrival.Memory, list []int) chooser {
	return func(excluded func(piece int) bool) (int, bool) {
		for _, each := range list {
			if !memory.Ready(each) && !excluded(each) {
				return each, true
			}
		}
		return 0, false
	}
}

// fetch gets pieces until there is none to choose. A piece is recorded once its digest was compared and its content written.
func (f *fetcher) fetch(next chooser) error {
	asked := []int{}
	excluded := func(piece int) bool { return slices.Contains(asked, piece) }
	for {
		for len(asked) < piecesAhead {
			piece, found := next(excluded)
			if !found {
				break
			}
			if err := f.from.want(piece); err != nil {
				return err
			}
			asked = append(asked, piece)
		}
		if len(asked) == 0 {
			return nil
		}
		if err := f.receive(asked[0]); err != nil {
			return err
		}
		asked = asked[1:]
	}
}

func (f *fetcher) receive(piece int) error {
	segment := f.memory.Segments[piece]
	f.compressed = slices.Grow(f.compressed[:0], int(segment.Size))[:segment.Size]
	if _, err := io.ReadFull(f.from, f.compressed); err != nil {
		return err
	}
	if f.turn != nil {
		release, err := f.turn()
		if err != nil {
			return err
		}
		defer release()
	}
	var err error
	if parts.SegmentOf(f.compressed) != segment {
		err = fmt.Errorf("layer sha256:%s of %s: %w", segment.SHA256, f.memory.Part, parts.ErrDigest)
	} else {
		err = f.write(piece)
	}
	if errors.Is(err, parts.ErrDigest) {
		err = &dump.Error{Reason: reasonContent, Err: err, Remedy: "take another checkpoint: this one is damaged in the registry, or on the way"}
	}
	if err != nil {
		return err
	}
	return f.memory.SetReady(piece)
}

func (f *fetcher) write(piece int) error {
	if f.decoder == nil {
		var err error
		if f.decoder, err = f.pieces.NewDecoder(); err != nil {
			return err
		}
		start, end := f.pieces.At(f.pieces.Count() - 1)
		f.content = make([]byte, 0, max(f.pieces.Bytes, end-start))
	}
	var err error
	if f.content, err = f.pieces.Decode(f.decoder, f.compressed, f.content); err != nil {
		return fmt.Errorf("piece %d of %s: %w", piece, f.memory.Part, err)
	}
	return f.pieces.Write(f.root, f.directory, piece, f.content)
}

func (f *fetcher) close() {
	if f.decoder != nil {
		f.decoder.Close()
	}
}
