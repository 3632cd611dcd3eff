package parts

import (
	"context"
	"fmt"
)

const (
	// segmentBytes is the size of a segment, unless the part is very large. A registry stores each segment as one blob, so
	// that several are sent and received at a time, and the digest of each is known before it is sent.
	segmentBytes = 16 << 20
	// maxSegments bounds the layers of a part: a manifest has at most 4 MiB in many registries, and a layer takes 400 bytes.
	maxSegments = 1024
	// maxSegmentBytes bounds the memory of a segment, and a part to 1 TiB.
	maxSegmentBytes = 1 << 30
	// segmentBuffers is how many segments are in memory: one is filled while another is sent.
	segmentBuffers = 2
)

// divider divides what is written to it into segments, and sends each of them.
type divider struct {
	ctx  context.Context
	stop context.CancelCauseFunc
	send func(Segment, []byte) error
	// current is the segment that is filled, of at most limit bytes.
	current []byte
	limit   int
	full    chan []byte
	free    chan []byte
	ended   chan struct{}
}

// newDivider returns a divider for a part of so many bytes before compression. Call end. The context of the divider ends when
// a segment cannot be sent.
func newDivider(ctx context.Context, size int64, send func(Segment, []byte) error) (*divider, error) {
	limit, err := limitOf(size)
	if err != nil {
		return nil, err
	}
	d := &divider{
		send: send, limit: int(limit),
		full: make(chan []byte), free: make(chan []byte, segmentBuffers), ended: make(chan struct{}),
	}
	d.ctx, d.stop = context.WithCancelCause(ctx)
	// A small part does not need the memory of a whole segment.
	d.current = make([]byte, 0, min(limit, size+size/100+1<<10))
	for range segmentBuffers - 1 {
		d.free <- nil
	}
	go d.sendAll()
	return d, nil
}

// limitOf returns the most bytes that a segment of a part of so many bytes has.
func limitOf(size int64) (int64, error) {
	if size > maxSegmentBytes*maxSegments {
		return 0, fmt.Errorf("the part has %d bytes, more than %d", size, int64(maxSegmentBytes)*maxSegments)
	}
	// Pieces are smaller than a segment, so one percent more of them fit.
	return min(max(segmentBytes, (size+size/100+maxSegments-1)/maxSegments), maxSegmentBytes), nil
}

// cut ends the current segment.
func (d *divider) cut() error {
	if len(d.current) == 0 {
		return nil
	}
	if err := d.pass(); err != nil {
		return err
	}
	return d.next()
}

func (d *divider) Write(data []byte) (int, error) {
	written := 0
	for written < len(data) {
		taken := min(len(data)-written, d.limit-len(d.current))
		d.current = append(d.current, data[written:written+taken]...)
		written += taken
		if len(d.current) == d.limit {
			if err := d.pass(); err != nil {
				return written, err
			}
			if err := d.next(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// pass hands the current segment over.
func (d *divider) pass() error {
	select {
	case d.full <- d.current:
		return nil
	case <-d.ctx.Done():
		return context.Cause(d.ctx)
	}
}

// next takes the memory of a segment that was sent.
func (d *divider) next() error {
	select {
	case d.current = <-d.free:
	case <-d.ctx.Done():
		return context.Cause(d.ctx)
	}
	if d.current == nil {
		d.current = make([]byte, 0, d.limit)
	}
	return nil
}

// end sends the last segment, unless there was an error, and waits until all segments are sent. It returns the first error.
func (d *divider) end(err error) error {
	if err == nil && len(d.current) > 0 {
		err = d.pass()
	}
	close(d.full)
	<-d.ended
	if err == nil {
		err = context.Cause(d.ctx)
	}
	d.stop(nil)
	return err
}

func (d *divider) sendAll() {
	defer close(d.ended)
	for content := range d.full {
		if err := d.send(SegmentOf(content), content); err != nil {
			d.stop(err)
			return
		}
		// There is room for each segment that is in memory.
		d.free <- content[:0]
	}
}
