package images

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
)

// fifoFiles returns messages about a FIFO: the regular file with its path, and the FIFO itself.
func fifoFiles(content, file uint64, path string) [][]byte {
	regular := appendBytes(appendBytes(message(1, file, 2, 32770), 5, message(1, 0)), regularName, []byte(path))
	return [][]byte{
		appendBytes(message(1, 1, 2, file), regularFile, regular),
		appendBytes(message(1, 3, 2, file+100), fifoFile, message(1, file+100, fifoContent, content, fifoRegular, file)),
	}
}

// content returns fifo-data.img with texts by ID, in the order of the IDs.
func content(pairs ...any) []byte {
	var file bytes.Buffer
	_ = writeHead(&file, fifoDataMagic)
	for i := 0; i < len(pairs); i += 2 {
		text := pairs[i+1].(string)
		_ = writeEntry(&file, message(1, uint64(pairs[i].(int)), 2, uint64(len(text)), 3, 65536))
		file.WriteString(text)
	}
	return file.Bytes()
}

func TestFIFOsHaveTheirPaths(t *testing.T) {
	one, two := fifoFiles(11329830, 3, "/data/pipe"), fifoFiles(7, 5, "/pipe")
	file := image(filesMagic, one[1], two[0], socket(2, 1, tcpListen, "10.0.0.5", "0.0.0.0"), two[1], one[0], fifoFiles(9, 6, "/none")[1])
	got, err := ReadFIFOs(bytes.NewReader(file))
	if want := []FIFO{{11329830, "/data/pipe"}, {7, "/pipe"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, each := range map[string][]byte{
		"cut":    file[:len(file)-1],
		"kind":   content(),
		"number": image(filesMagic, message(fifoFile, 1)),
	} {
		if got, err := ReadFIFOs(bytes.NewReader(each)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestContentOfFIFOsIsDropped(t *testing.T) {
	file := content(1, "one", 2, "", 3, "three", 4, "4")
	for _, each := range []struct {
		drop map[uint32]bool
		want []byte
		kept []uint32
	}{
		{nil, file, []uint32{1, 2, 3, 4}},
		{map[uint32]bool{1: true, 3: true, 4: false, 5: true}, content(2, "", 4, "4"), []uint32{2, 4}},
		{map[uint32]bool{1: true, 2: true, 3: true, 4: true}, content(), nil},
	} {
		var got bytes.Buffer
		kept, err := DropContent(bytes.NewReader(file), &got, each.drop)
		if err != nil || !reflect.DeepEqual(kept, each.kept) || !bytes.Equal(got.Bytes(), each.want) {
			t.Errorf("%v: got %x, %v, %v", each.drop, got.Bytes(), kept, err)
		}
	}
	var long bytes.Buffer
	_ = writeHead(&long, fifoDataMagic)
	_ = writeEntry(&long, message(1, 1, 2, maxEntry+1))
	for name, each := range map[string][]byte{
		"cut content": file[:len(file)-1], "cut entry": file[:20], "kind": image(filesMagic), "long": long.Bytes(),
		"number": image(fifoDataMagic, binary.AppendUvarint(nil, 1<<3|bytesType)),
	} {
		if _, err := DropContent(bytes.NewReader(each), &bytes.Buffer{}, nil); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzReadFIFOs(f *testing.F) {
	f.Add(image(filesMagic, fifoFiles(7, 3, "/data/pipe")...))
	f.Fuzz(func(_ *testing.T, file []byte) { _, _ = ReadFIFOs(bytes.NewReader(file)) })
}

func FuzzDropContent(f *testing.F) {
	f.Add(content(1, "one", 2, "two"), uint32(1))
	f.Fuzz(func(t *testing.T, file []byte, id uint32) {
		var first, second, all bytes.Buffer
		kept, err := DropContent(bytes.NewReader(file), &first, map[uint32]bool{id: true})
		if err != nil {
			return
		}
		again, err := DropContent(bytes.NewReader(first.Bytes()), &second, map[uint32]bool{id: true})
		if err != nil || !reflect.DeepEqual(kept, again) || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Fatalf("kept %v, then %v, %v", kept, again, err)
		}
		if _, err := DropContent(bytes.NewReader(file), &all, nil); err != nil || !bytes.Equal(all.Bytes(), file) {
			t.Fatalf("without an ID: %v", err)
		}
	})
}
