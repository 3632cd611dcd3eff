package images

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
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
		{0x1000, 0x3000, 0, true}, {0x9000, 0xc000, 0x2000, false}, {0xc000, 0xd000, 0x5000, false}, {0xd000, 0xe000, 0x6000, true},
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

func TestAMappingThatIsClearedInChildrenIsFound(t *testing.T) {
	mapping := func(advice uint64) []byte { return appendBytes(nil, 14, message(1, 0x1000, 2, 0x2000, 9, advice)) }
	for advice, want := range map[uint64]bool{0: false, 1 << 10: false, 1 << wipeOnFork: true, 1<<wipeOnFork | 1<<10: true} {
		got, err := ReadWipeOnFork(bytes.NewReader(image(memoryMagic, append(mapping(0), mapping(advice)...))))
		if err != nil || got != want {
			t.Errorf("%#x: got %t, %v", advice, got, err)
		}
	}
	if _, err := ReadWipeOnFork(bytes.NewReader(image(memoryMagic, message(14, 1)))); !errors.Is(err, ErrFormat) {
		t.Errorf("got %v", err)
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

func FuzzReadWipeOnFork(f *testing.F) {
	f.Add(image(memoryMagic, appendBytes(nil, 14, message(1, 0x1000, 9, 1<<wipeOnFork))))
	f.Fuzz(func(_ *testing.T, file []byte) { _, _ = ReadWipeOnFork(bytes.NewReader(file)) })
}
