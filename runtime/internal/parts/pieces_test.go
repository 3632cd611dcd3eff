package parts

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"testing"
)

// exportPieces returns the segments of the image set of a checkpoint with so many bytes of pages.
func exportPieces(t *testing.T, pages int) (f fixture, part *Part, pieces *Pieces, segments [][]byte) {
	t.Helper()
	f = writeWith(t, pages)
	part = f.part(t, "containers/app/images")
	must(t, part.Export(context.Background(), f.root, func(_ Segment, content []byte) error {
		segments = append(segments, bytes.Clone(content))
		return nil
	}))
	pieces, err := part.Pieces()
	must(t, err)
	return f, part, pieces, segments
}

func TestEachPieceOfAnImageSetCanBeReadWithoutTheOthers(t *testing.T) {
	f, part, pieces, segments := exportPieces(t, 40<<20)
	if pieces.HeadCount() != 1 || len(segments) != pieces.Count() || pieces.Count() < 4 {
		t.Fatalf("%d pieces, %d of them before the pages, in %d segments", pieces.Count(), pieces.HeadCount(), len(segments))
	}
	directory := t.TempDir()
	root := openRoot(t, directory)
	for _, each := range part.Files {
		must(t, os.MkdirAll(filepath.Join(directory, path.Dir(each.Name)), 0o700), root.WriteFile(each.Name, nil, 0o600))
	}
	decoder, err := pieces.NewDecoder()
	must(t, err)
	defer decoder.Close()
	for _, piece := range rand.New(rand.NewPCG(1, 2)).Perm(pieces.Count()) {
		content, err := pieces.Decode(decoder, segments[piece], nil)
		must(t, err)
		must(t, pieces.Write(root, ".", piece, content))
		start, end := pieces.At(piece)
		if pieces.Of(start) != piece || pieces.Of(end-1) != piece {
			t.Errorf("bytes %d and %d are in pieces %d and %d, not %d", start, end-1, pieces.Of(start), pieces.Of(end-1), piece)
		}
		if piece < pieces.HeadCount() == (end > pieces.Head) {
			t.Errorf("piece %d ends at %d, the pages begin at %d", piece, end, pieces.Head)
		}
		if len(segments[piece]) > segmentBytes {
			t.Errorf("piece %d has %d bytes", piece, len(segments[piece]))
		}
	}
	for _, each := range part.Files {
		if got, err := root.ReadFile(each.Name); err != nil || !bytes.Equal(got, f.files[each.Path]) {
			t.Errorf("%s is another file: %v", each.Name, err)
		}
	}
	last := ""
	for _, each := range part.Files {
		if IsPages(last) && !IsPages(each.Name) {
			t.Errorf("%s follows %s", each.Name, last)
		}
		last = each.Name
	}
}

func TestAPieceThatDoesNotFitIsRejected(t *testing.T) {
	_, part, pieces, segments := exportPieces(t, 20<<20)
	root := openRoot(t, t.TempDir())
	must(t, root.MkdirAll("parent/parent", 0o700))
	for _, each := range part.Files {
		must(t, root.WriteFile(each.Name, nil, 0o600))
	}
	decoder, err := pieces.NewDecoder()
	must(t, err)
	defer decoder.Close()
	if _, err := pieces.Decode(decoder, segments[1][:1000], nil); !errors.Is(err, ErrDigest) {
		t.Errorf("a part of a piece: %v", err)
	}
	// Larger than a piece.
	bomb := compress(t, make([]byte, 2*segmentBytes))
	if _, err := pieces.Decode(decoder, bomb, nil); !errors.Is(err, ErrDigest) {
		t.Errorf("a piece that is too large: %v", err)
	}
	content, err := pieces.Decode(decoder, segments[0], nil)
	must(t, err)
	for name, each := range map[string][]byte{
		"short": content[1:], "other header": append([]byte{content[0] + 1}, content[1:]...),
	} {
		if err := pieces.Write(root, ".", 0, each); !errors.Is(err, ErrDigest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyAnImageSetHasPieces(t *testing.T) {
	f := write(t)
	if pieces, err := f.part(t, "shm").Pieces(); pieces != nil || err != nil {
		t.Errorf("got %+v, %v", pieces, err)
	}
}
