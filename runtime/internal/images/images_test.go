package images

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// image returns an image of messages.
func image(kind uint32, messages ...[]byte) []byte {
	var file bytes.Buffer
	_ = writeHead(&file, kind)
	for _, each := range messages {
		_ = writeEntry(&file, each)
	}
	return file.Bytes()
}

// message returns a message of numbers: pairs of a field and its value.
func message(pairs ...uint64) []byte {
	made := []byte{}
	for i := 0; i < len(pairs); i += 2 {
		made = binary.AppendUvarint(made, pairs[i]<<3|varintType)
		made = binary.AppendUvarint(made, pairs[i+1])
	}
	return made
}

func TestPagesAreAtTheirPlaceInTheFile(t *testing.T) {
	head := message(1, 7)
	file := image(pagemapMagic, head,
		message(1, 0x1000, 2, 2, 4, present|isLazy),
		// Zeros.
		message(1, 0x3000, 2, 5, 4, 0),
		message(1, 0x9000, 2, 0, 4, present, 5, 3),
		// An old version writes no flags.
		message(1, 0xc000, 2, 1),
		message(1, 0xd000, 2, 1, 4, present|isLazy),
	)
	got, err := ReadPages(bytes.NewReader(file), 0x1000)
	want := &Pages{7, []Range{
		{Start: 0x1000, End: 0x3000, Lazy: true}, {Start: 0x9000, End: 0xc000, Offset: 0x2000},
		{Start: 0xc000, End: 0xd000, Offset: 0x5000}, {Start: 0xd000, End: 0xe000, Offset: 0x6000, Lazy: true},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, each := range map[string]struct {
		file []byte
		want error
	}{
		"parent":       {image(pagemapMagic, head, message(1, 0x1000, 2, 1, 4, inParent)), ErrParent},
		"old parent":   {image(pagemapMagic, head, message(1, 0x1000, 2, 1, 3, 1)), ErrParent},
		"lazy without": {image(pagemapMagic, head, message(1, 0x1000, 2, 1, 4, isLazy)), ErrFormat},
		"unsorted":     {image(pagemapMagic, head, message(1, 0x2000, 2, 1), message(1, 0x1000, 2, 1)), ErrFormat},
		"overlap":      {image(pagemapMagic, head, message(1, 0x1000, 2, 2), message(1, 0x2000, 2, 1)), ErrFormat},
		"unaligned":    {image(pagemapMagic, head, message(1, 0x1001, 2, 1)), ErrFormat},
		"overflow":     {image(pagemapMagic, head, message(1, 0x1000, 5, 1<<52)), ErrFormat},
		"no number":    {image(pagemapMagic, []byte{}), ErrFormat},
		"no head":      {image(pagemapMagic), ErrFormat},
		"kind":         {image(memoryMagic, head), ErrFormat},
		"cut":          {file[:len(file)-1], ErrFormat},
		"empty":        {nil, ErrFormat},
	} {
		if got, err := ReadPages(bytes.NewReader(each.file), 0x1000); !errors.Is(err, each.want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestMappingsThatAreClearedInChildrenAreFound(t *testing.T) {
	mapping := func(start, advice uint64) []byte {
		return appendBytes(nil, 14, message(1, start, 2, start+0x1000, 9, advice))
	}
	all := slices.Concat(mapping(0x9000, 1<<wipeOnFork|1<<10), mapping(0x5000, 0), mapping(0x3000, 1<<wipeOnFork), mapping(0x7000, 1<<10))
	got, err := ReadWipedOnFork(bytes.NewReader(image(memoryMagic, all)))
	if want := []Area{{0x3000, 0x4000}, {0x9000, 0xa000}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, each := range map[string][]byte{
		"no message": message(14, 1),
		"reversed":   appendBytes(nil, 14, message(1, 0x2000, 2, 0x1000, 9, 1<<wipeOnFork)),
	} {
		if _, err := ReadWipedOnFork(bytes.NewReader(image(memoryMagic, each))); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Addresses are small numbers, and a page is one.
func TestWipedIsWhatAreasSay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		ranges, areas, at := []Range{}, []Area{}, uint64(0)
		for at < 60 {
			start, end := at+random.Uint64N(4), at+4+random.Uint64N(6)
			ranges = append(ranges, Range{Start: start, End: end, Offset: int64(random.Uint64N(1000)), Lazy: true})
			at = end
		}
		for at = 0; at < 60; {
			start := at + random.Uint64N(8)
			at = start + 1 + random.Uint64N(9)
			areas = append(areas, Area{start, at})
		}
		offsets := map[uint64]int64{}
		for _, each := range ranges {
			for address := each.Start; address < each.End; address++ {
				offsets[address] = each.Offset + int64(address-each.Start)
			}
		}
		end := uint64(0)
		for _, each := range MarkWiped(ranges, areas) {
			if each.Start < end || each.Start >= each.End || !each.Lazy {
				t.Fatalf("%+v of %+v", each, ranges)
			}
			end = each.End
			for address := each.Start; address < each.End; address++ {
				wiped := slices.ContainsFunc(areas, func(area Area) bool { return area.Start <= address && address < area.End })
				if offset, found := offsets[address]; !found || each.Offset+int64(address-each.Start) != offset || each.Wiped != wiped {
					t.Fatalf("page %d is in %+v, with areas %+v", address, each, areas)
				}
				delete(offsets, address)
			}
		}
		if len(offsets) > 0 {
			t.Fatalf("%v are missing of %+v", offsets, ranges)
		}
	}
}

func FuzzReadPages(f *testing.F) {
	f.Add(image(pagemapMagic, message(1, 7), message(1, 0x1000, 2, 2, 4, present|isLazy), message(1, 0x9000, 2, 0, 4, present, 5, 3)))
	f.Fuzz(func(t *testing.T, file []byte) {
		pages, err := ReadPages(bytes.NewReader(file), 0x1000)
		if err != nil {
			return
		}
		end, offset := uint64(0), int64(0)
		for _, each := range pages.Ranges {
			if each.Start < end || each.End <= each.Start || each.Offset != offset {
				t.Fatalf("got %+v", pages)
			}
			end = each.End
			offset += int64(each.End - each.Start)
		}
	})
}

func FuzzReadWipedOnFork(f *testing.F) {
	f.Add(image(memoryMagic, appendBytes(nil, 14, message(1, 0x1000, 2, 0x2000, 9, 1<<wipeOnFork))))
	f.Fuzz(func(_ *testing.T, file []byte) { _, _ = ReadWipedOnFork(bytes.NewReader(file)) })
}
