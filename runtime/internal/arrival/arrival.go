// Package arrival records which pieces of the memory of a container are on the node while its processes run already. The
// host service writes it, and the server of memory (package lazy) gives a process only pages of pieces that are there.
//
// A directory belongs to one container:
//
//	layout.json   Layout
//	ready         a byte for each piece: 1 if its digest was compared and its content is in the files; at last a byte that is
//	              1 if the others will not come
//	wanted        a byte for each piece: 1 if a process waits for it
//	failed        why the others will not come
package arrival

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/strictjson"
)

const (
	layoutFile = "layout.json"
	readyFile  = "ready"
	wantedFile = "wanted"
	failedFile = "failed"
	// maxLayoutBytes bounds layout.json: 1100 segments with 100 bytes each, and the files.
	maxLayoutBytes = 4 << 20
	// maxPieces bounds the pieces of a layout that is read.
	maxPieces = 1 << 16
	// maxMessageBytes bounds failed.
	maxMessageBytes = 4096
)

// Layout describes the pieces.
type Layout struct {
	// Boot is the ID of the boot in which they arrived. After a crash of the node files can lack what was written.
	Boot string `json:"boot"`
	// Part is the name of the part of the checkpoint.
	Part   string       `json:"part"`
	Pieces parts.Pieces `json:"pieces"`
	// Segments are the compressed pieces, in their order.
	Segments []parts.Segment `json:"segments"`
	// Essential are the pieces that CRIU reads itself.
	Essential []int `json:"essential"`
	// Files has the place in the archive of the content of each file with pages, by name.
	Files map[string]int64 `json:"files"`
}

// Memory is the memory of one container that arrives.
type Memory struct {
	Layout
	directory     string
	ready, wanted *os.File
	// state is the content of ready when it was read last.
	state []byte
}

// Create creates the directory of a container, with no piece.
func Create(directory string, layout Layout) (*Memory, error) {
	if err := os.RemoveAll(directory); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, err
	}
	count := layout.Pieces.Count()
	for name, size := range map[string]int{readyFile: count + 1, wantedFile: count} {
		if err := os.WriteFile(filepath.Join(directory, name), make([]byte, size), 0o600); err != nil {
			return nil, err
		}
	}
	m := &Memory{Layout: layout, directory: directory}
	if err := m.Save(); err != nil {
		return nil, err
	}
	return Open(directory)
}

// Open opens the directory of a container. It returns nil if there is none. Close it.
func Open(directory string) (*Memory, error) {
	text, err := os.ReadFile(filepath.Join(directory, layoutFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m := &Memory{directory: directory}
	if m.Layout, err = parse(text); err != nil {
		return nil, err
	}
	if m.ready, err = os.OpenFile(filepath.Join(directory, readyFile), os.O_RDWR, 0); err != nil {
		return nil, err
	}
	if m.wanted, err = os.OpenFile(filepath.Join(directory, wantedFile), os.O_RDWR, 0); err != nil {
		return nil, errors.Join(err, m.ready.Close())
	}
	m.state = make([]byte, m.Pieces.Count()+1)
	if err := m.Refresh(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func parse(text []byte) (Layout, error) {
	var layout Layout
	if err := strictjson.Decode(bytes.NewReader(text), maxLayoutBytes, &layout); err != nil {
		return layout, fmt.Errorf("%s: %w", layoutFile, err)
	}
	p := layout.Pieces
	switch {
	case p.Bytes <= 0 || p.Head < 0 || p.Size <= p.Head || p.Size/p.Bytes > maxPieces:
		return layout, fmt.Errorf("%s: pieces of %d bytes, the first %d of %d without pages", layoutFile, p.Bytes, p.Head, p.Size)
	case len(layout.Segments) != p.Count():
		return layout, fmt.Errorf("%s: %d segments for %d pieces", layoutFile, len(layout.Segments), p.Count())
	}
	for _, each := range layout.Essential {
		if each < 0 || each >= p.Count() {
			return layout, fmt.Errorf("%s: there is no piece %d", layoutFile, each)
		}
	}
	for name, offset := range layout.Files {
		if offset < p.Head || offset > p.Size {
			return layout, fmt.Errorf("%s: %.80q is at %d", layoutFile, name, offset)
		}
	}
	return layout, nil
}

// Save writes the layout.
func (m *Memory) Save() error {
	text, err := json.Marshal(m.Layout)
	if err != nil {
		return err
	}
	temporary := filepath.Join(m.directory, "."+layoutFile)
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(m.directory, layoutFile))
}

// Close closes the files.
func (m *Memory) Close() {
	m.ready.Close()
	m.wanted.Close()
}

// Refresh reads which pieces are there now. Ready, Missing, Fit and Failure return what it read.
func (m *Memory) Refresh() error {
	_, err := m.ready.ReadAt(m.state, 0)
	return err
}

// Ready says if a piece is there.
func (m *Memory) Ready(piece int) bool { return m.state[piece] == 1 }

// Missing returns the pieces that are not there.
func (m *Memory) Missing() []int {
	missing := []int{}
	for piece := range m.Pieces.Count() {
		if !m.Ready(piece) {
			missing = append(missing, piece)
		}
	}
	return missing
}

// Fit says if all is there that CRIU reads, in this boot.
func (m *Memory) Fit(boot string) bool {
	return m.Boot == boot && !slices.ContainsFunc(m.Essential, func(piece int) bool { return !m.Ready(piece) })
}

// SetReady records a piece that was written to the files.
func (m *Memory) SetReady(piece int) error {
	_, err := m.ready.WriteAt([]byte{1}, int64(piece))
	m.state[piece] = 1
	return err
}

// Reset records that no piece is there, in another boot.
func (m *Memory) Reset(boot string) error {
	clear(m.state)
	if _, err := m.ready.WriteAt(m.state, 0); err != nil {
		return err
	}
	m.Boot = boot
	return m.Save()
}

// Want asks for a piece before the others.
func (m *Memory) Want(piece int) error {
	_, err := m.wanted.WriteAt([]byte{1}, int64(piece))
	return err
}

// Next returns the piece that should come next, of those that are missing and not excluded: one that a process waits for, or
// the first one.
func (m *Memory) Next(excluded func(piece int) bool) (int, bool) {
	wanted := make([]byte, m.Pieces.Count())
	// Without it the order is another one.
	_, _ = m.wanted.ReadAt(wanted, 0)
	first := -1
	for piece := range wanted {
		if m.Ready(piece) || excluded(piece) {
			continue
		}
		if wanted[piece] == 1 {
			return piece, true
		}
		if first < 0 {
			first = piece
		}
	}
	return first, first >= 0
}

// Fail records that what is missing will not come.
func (m *Memory) Fail(message string) error {
	message = strings.ToValidUTF8(message[:min(len(message), maxMessageBytes)], "?")
	err := os.WriteFile(filepath.Join(m.directory, failedFile), []byte(message), 0o600)
	_, flagErr := m.ready.WriteAt([]byte{1}, int64(m.Pieces.Count()))
	m.state[m.Pieces.Count()] = 1
	return errors.Join(err, flagErr)
}

// Failure returns why what is missing will not come; nil if it may.
func (m *Memory) Failure() error {
	if m.state[m.Pieces.Count()] == 0 {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(m.directory, failedFile))
	if err != nil {
		text = []byte("the reason is unknown")
	}
	return errors.New(string(text))
}

// Loadable returns the first part of a range of a file with pages that is there, in whole pages. Offset and length are
// multiples of a page.
func (m *Memory) Loadable(file string, offset, length, page int64) (start, size int64) {
	base, known := m.Files[file]
	if !known {
		return offset, length
	}
	end := base + offset + length
	for at := base + offset; at < end; {
		if piece := m.Pieces.Of(at); !m.Ready(piece) {
			_, at = m.Pieces.At(piece)
			continue
		}
		first := at
		for at < end && m.Ready(m.Pieces.Of(at)) {
			_, at = m.Pieces.At(m.Pieces.Of(at))
		}
		start, last := (first-base+page-1)/page*page, min(at, end)-base
		// A page can be in two pieces.
		if last = last / page * page; start < last {
			return start, last - start
		}
	}
	return 0, 0
}

// MissingAt returns a piece with a part of a page that is not there.
func (m *Memory) MissingAt(file string, offset, page int64) (int, bool) {
	base, known := m.Files[file]
	if !known {
		return 0, false
	}
	for piece := m.Pieces.Of(base + offset); piece <= m.Pieces.Of(base+offset+page-1); piece++ {
		if !m.Ready(piece) {
			return piece, true
		}
	}
	return 0, false
}
