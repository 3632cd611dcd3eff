package arrival

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/parts"
)

func create(t *testing.T, pieces parts.Pieces) (*Memory, string) {
	t.Helper()
	directory := filepath.Join(t.TempDir(), "memory")
	layout := Layout{
		Boot: "one", Part: "containers/app/images", Pieces: pieces, Segments: make([]parts.Segment, pieces.Count()),
		Essential: []int{0}, Files: map[string]int64{"pages-1.img": pieces.Head + 3},
	}
	m, err := Create(directory, layout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m, directory
}

func TestOnlyPagesOfPiecesThatAreThereAreLoadable(t *testing.T) {
	const page = 4
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		m, _ := create(t, parts.Pieces{Head: 5, Size: 5 + 3 + 80, Bytes: 1 + random.Int64N(30)})
		for piece := range m.Pieces.Count() {
			if random.IntN(2) == 0 {
				if err := m.SetReady(piece); err != nil {
					t.Fatal(err)
				}
			}
		}
		there := func(number int64) bool {
			for at := 8 + number*page; at < 8+(number+1)*page; at++ {
				if !m.Ready(m.Pieces.Of(at)) {
					return false
				}
			}
			return true
		}
		first := random.Int64N(20)
		count := 1 + random.Int64N(20-first)
		start, size := m.Loadable("pages-1.img", first*page, count*page, page)
		for number := first; number < first+count; number++ {
			before, inside := number*page < start, number*page >= start && number*page < start+size
			if size == 0 {
				before, inside = true, false
			}
			if inside && !there(number) || before && there(number) {
				t.Fatalf("page %d of %d to %d, pieces of %d bytes: %d bytes at %d", number, first, first+count, m.Pieces.Bytes, size, start)
			}
			if piece, missing := m.MissingAt("pages-1.img", number*page, page); missing == there(number) || missing && m.Ready(piece) {
				t.Fatalf("page %d lacks piece %d, %t", number, piece, missing)
			}
		}
		if size%page != 0 || start%page != 0 || start+size > (first+count)*page {
			t.Fatalf("%d bytes at %d of %d to %d", size, start, first, first+count)
		}
	}
}

func TestAPieceThatAProcessWaitsForComesFirst(t *testing.T) {
	m, directory := create(t, parts.Pieces{Head: 5, Size: 100, Bytes: 10})
	other, err := Open(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	none := func(int) bool { return false }
	next := func(want int, excluded func(int) bool) {
		t.Helper()
		if piece, found := m.Next(excluded); !found || piece != want {
			t.Errorf("the next one is %d, %t, not %d", piece, found, want)
		}
	}
	next(0, none)
	if err := other.Want(7); err != nil {
		t.Fatal(err)
	}
	next(7, none)
	next(0, func(piece int) bool { return piece == 7 })
	if err := m.SetReady(7); err != nil {
		t.Fatal(err)
	}
	next(0, none)
	if other.Ready(7) || other.Refresh() != nil || !other.Ready(7) || len(other.Missing()) != m.Pieces.Count()-1 {
		t.Errorf("the other process misses %v", other.Missing())
	}
	if _, found := m.Next(func(int) bool { return true }); found {
		t.Error("there is a next one")
	}
}

func TestMemoryIsFitWithWhatCRIUReadsInThisBoot(t *testing.T) {
	m, directory := create(t, parts.Pieces{Head: 5, Size: 100, Bytes: 10})
	if m.Fit("one") {
		t.Error("it is fit without a piece")
	}
	if err := m.SetReady(0); err != nil || !m.Fit("one") || m.Fit("two") {
		t.Errorf("it is fit: %t, in another boot %t, %v", m.Fit("one"), m.Fit("two"), err)
	}
	if err := m.Reset("two"); err != nil {
		t.Fatal(err)
	}
	again, err := Open(directory)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Fit("two") || again.Boot != "two" || again.Failure() != nil {
		t.Errorf("after another boot: %+v, %v", again.Layout, again.Failure())
	}
	if err := m.Fail("the layer is damaged"); err != nil {
		t.Fatal(err)
	}
	if err := again.Refresh(); err != nil || again.Failure() == nil || !strings.Contains(again.Failure().Error(), "the layer is damaged") {
		t.Errorf("got %v, %v", err, again.Failure())
	}
}

func TestNoMemoryArrivesWithoutADirectory(t *testing.T) {
	if m, err := Open(filepath.Join(t.TempDir(), "none")); m != nil || err != nil {
		t.Errorf("got %v, %v", m, err)
	}
}

func FuzzLayout(f *testing.F) {
	f.Add([]byte(`{"boot":"b","part":"p","pieces":{"head":5,"size":20,"bytes":10},"segments":[{"size":1,"sha256":"a"},{"size":1,"sha256":"a"},{"size":1,"sha256":"a"}],"essential":[0],"files":{"pages-1.img":6}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		layout, err := parse(text)
		if err != nil {
			return
		}
		for piece := range layout.Pieces.Count() {
			start, end := layout.Pieces.At(piece)
			if start >= end || layout.Pieces.Of(start) != piece || layout.Pieces.Of(end-1) != piece {
				t.Fatalf("piece %d of %+v is from %d to %d", piece, layout.Pieces, start, end)
			}
		}
	})
}
