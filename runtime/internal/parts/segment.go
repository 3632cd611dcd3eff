package parts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// Segment is a piece of a compressed part, which a registry stores as one blob. All pieces, in their order, are the part.
type Segment struct {
	// Size is in bytes.
	Size int64 `json:"size"`
	// SHA256 is in hexadecimal digits.
	SHA256 string `json:"sha256"`
}

// SegmentOf describes content that is one segment.
func SegmentOf(content []byte) Segment {
	sum := sha256.Sum256(content)
	return Segment{int64(len(content)), hex.EncodeToString(sum[:])}
}

// Verifier reads segments and compares the sha256 of each.
type Verifier struct {
	from     io.Reader
	segments []Segment
	hash     hash.Hash
	// left are the bytes of the first segment that were not read yet.
	left int64
}

// NewVerifier returns a reader of the segments, of which there must be one or more, at the beginning of another reader.
func NewVerifier(from io.Reader, segments []Segment) *Verifier {
	return &Verifier{from: from, segments: segments, hash: sha256.New(), left: segments[0].Size}
}

// Read returns ErrDigest, and not the last bytes of a segment, if the segment has another sha256.
func (v *Verifier) Read(into []byte) (int, error) {
	if len(v.segments) == 0 {
		return 0, io.EOF
	}
	read, err := v.from.Read(into[:min(int64(len(into)), v.left)])
	v.hash.Write(into[:read])
	if v.left -= int64(read); v.left > 0 {
		return read, err
	}
	if hex.EncodeToString(v.hash.Sum(nil)) != v.segments[0].SHA256 {
		return 0, ErrDigest
	}
	if v.segments = v.segments[1:]; len(v.segments) > 0 {
		v.hash.Reset()
		v.left = v.segments[0].Size
	}
	return read, nil
}

// Verify returns an error unless all segments were read. Those that were read have their sha256.
func (v *Verifier) Verify() error {
	if len(v.segments) == 0 {
		return nil
	}
	return fmt.Errorf("%d bytes are missing: %w", v.left, io.ErrUnexpectedEOF)
}
