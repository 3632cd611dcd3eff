package parts

import "io"

const (
	pieceBytes = 1 << 20
	// piecesAhead is how many pieces are read before they are needed.
	piecesAhead = 4
)

// ahead reads from another reader before that is needed, on a goroutine of its own, so that sha256 and decompression use
// two processors.
type ahead struct {
	pieces  chan piece
	free    chan []byte
	stopped chan struct{}
	// left is what was not returned yet of current.
	current []byte
	left    []byte
	err     error
}

type piece struct {
	data []byte
	err  error
}

func readAhead(from io.Reader) *ahead {
	a := &ahead{pieces: make(chan piece, piecesAhead), free: make(chan []byte, piecesAhead+2), stopped: make(chan struct{})}
	go a.run(from)
	return a
}

func (a *ahead) run(from io.Reader) {
	for {
		var buffer []byte
		select {
		case buffer = <-a.free:
		default:
			buffer = make([]byte, pieceBytes)
		}
		read, err := fill(from, buffer)
		select {
		case a.pieces <- piece{buffer[:read], err}:
		case <-a.stopped:
			return
		}
		if err != nil {
			return
		}
	}
}

// fill reads until the buffer is full, or to an error: a socket returns less than a piece at a time, and each piece costs a
// switch of goroutines.
func fill(from io.Reader, buffer []byte) (int, error) {
	filled := 0
	for filled < len(buffer) {
		read, err := from.Read(buffer[filled:])
		if filled += read; err != nil {
			return filled, err
		}
	}
	return filled, nil
}

// Read returns what was read, and then the error of the other reader.
func (a *ahead) Read(into []byte) (int, error) {
	for len(a.left) == 0 {
		if a.err != nil {
			return 0, a.err
		}
		if a.current != nil {
			// There is room for all pieces: those ahead, this one, and one that is being read.
			a.free <- a.current[:pieceBytes]
		}
		select {
		case next := <-a.pieces:
			a.current, a.left, a.err = next.data, next.data, next.err
		case <-a.stopped:
			return 0, io.ErrClosedPipe
		}
	}
	read := copy(into, a.left)
	a.left = a.left[read:]
	return read, nil
}

// stop ends calls of Read, and the goroutine after the read that is in flight.
func (a *ahead) stop() { close(a.stopped) }
