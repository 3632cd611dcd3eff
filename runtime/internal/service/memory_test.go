package service

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/lazy"
	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/proc"
)

// imageOf returns an image of CRIU: messages of pairs of a field and its number.
func imageOf(magic uint32, messages ...[]uint64) []byte {
	file := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 0x54564319), magic)
	for _, pairs := range messages {
		message := []byte{}
		for i := 0; i < len(pairs); i += 2 {
			message = binary.AppendUvarint(binary.AppendUvarint(message, pairs[i]<<3), pairs[i+1])
		}
		file = append(binary.LittleEndian.AppendUint32(file, uint32(len(message))), message...)
	}
	return file
}

// pagemapMagic begins pagemap-PID.img after the head that all images have.
const pagemapMagic = 0x56084025

// memoryFixture is a service with an exported checkpoint whose container has 64 MiB of pages, and a client that sends it.
type memoryFixture struct {
	*fixture
	metadata, set []parts.Segment
	segments      map[string][]byte
	pages         []byte
	layout        *parts.Pieces
	// asked are the pieces that the service asked for, and queue is what the client sends.
	asked []int
	queue bytes.Buffer
	// before is called before a piece is sent.
	before func(piece int, content []byte) []byte
}

func (m *memoryFixture) Read(into []byte) (int, error) { return m.queue.Read(into) }

func (m *memoryFixture) want(piece int) error {
	m.asked = append(m.asked, piece)
	content := m.segments[m.set[piece].SHA256]
	if m.before != nil {
		content = m.before(piece, bytes.Clone(content))
	}
	m.queue.Write(content)
	return nil
}

// sixteenth is what a piece has of the pages, about.
const sixteenth = 16 << 20

// withMemory exports a checkpoint. CRIU leaves all pages but the last one to the server of memory, or none.
func withMemory(t *testing.T, isLazy bool) *memoryFixture {
	t.Helper()
	if err := lazy.Supported(); err != nil {
		t.Skip(err)
	}
	m := &memoryFixture{fixture: start(t), segments: map[string][]byte{}, pages: make([]byte, 64<<20)}
	random := rand.New(rand.NewPCG(1, 2))
	for at := 0; at < len(m.pages); at += 512 {
		binary.LittleEndian.PutUint64(m.pages[at:], random.Uint64())
	}
	count := uint64(len(m.pages) / os.Getpagesize())
	flags := uint64(4)
	if isLazy {
		flags |= 2
	}
	found := writeCheckpoint(t, m.dir+"/checkpoints", dump.Request{UID: "cp", PodUID: "old"})
	root, err := os.OpenRoot(found.Directory)
	must(t, err)
	defer root.Close()
	for name, content := range map[string][]byte{
		"pages-1.img": m.pages,
		"pagemap-7.img": imageOf(pagemapMagic, []uint64{1, 1}, []uint64{1, 0x10000, 4, flags, 5, count - 1},
			[]uint64{1, 0x10000 + count*uint64(os.Getpagesize()), 4, 4, 5, 1}),
	} {
		path := filepath.Join("containers/app/images", name)
		must(t, root.WriteFile(path, content, 0o600))
		stored, err := checkpoint.ArchiveOf(root, path)
		must(t, err)
		files := &found.Checkpoint.Containers[0].Files
		*files = append(*files, checkpoint.FileEntry{Path: "images/" + name, Archive: stored})
	}
	slices.SortFunc(found.Checkpoint.Containers[0].Files, func(a, b checkpoint.FileEntry) int { return strings.Compare(a.Path, b.Path) })
	must(t, root.Remove(checkpoint.File), checkpoint.Write(root, found.Checkpoint))
	text, err := root.ReadFile(checkpoint.File)
	must(t, err)
	m.metadata = []parts.Segment{parts.SegmentOf(text)}
	m.segments[m.metadata[0].SHA256] = text
	part, err := parts.Of(found.Checkpoint, images)
	must(t, err)
	m.layout, err = part.Pieces()
	must(t, err)
	must(t, part.Export(context.Background(), root, func(segment parts.Segment, content []byte) error {
		m.segments[segment.SHA256] = bytes.Clone(content)
		m.set = append(m.set, segment)
		return nil
	}))
	must(t, m.stageParts(true))
	return m
}

// stageParts stages metadata and image set for the pod.
func (m *memoryFixture) stageParts(isLazy bool) error {
	named := podCheckpoint{podNamed{"pod"}, "cp"}
	err := m.Service.stage(stageRequest{podCheckpoint: named, Part: parts.Metadata, Segments: m.metadata}, func(bool) (pieceSource, error) {
		m.queue.Write(m.segments[m.metadata[0].SHA256])
		return m, nil
	})
	if err != nil {
		return err
	}
	return m.Service.stage(stageRequest{podCheckpoint: named, Part: images, Segments: m.set, Lazy: isLazy}, func(pieces bool) (pieceSource, error) {
		if !pieces {
			for _, each := range m.set {
				m.queue.Write(m.segments[each.SHA256])
			}
		}
		return m, nil
	})
}

func (m *memoryFixture) lay(t *testing.T) (*plan.Pod, *plan.Plan) {
	t.Helper()
	_, err := m.Service.lay(layRequest{
		PodUID: "pod", Checkpoint: "cp", Deadline: time.Unix(4e9, 0).UTC(), Fallback: plan.FallbackFresh, Restart: plan.RestartFresh, Lazy: true,
	})
	must(t, err)
	pod, err := plan.Open(m.dir+"/restore", "pod")
	must(t, err)
	t.Cleanup(pod.Close)
	read, err := pod.Read()
	must(t, err)
	return pod, read
}

func (m *memoryFixture) load() (bool, error) {
	begun := false
	request := stageRequest{podCheckpoint: podCheckpoint{podNamed{"pod"}, "cp"}, Part: images, Segments: m.set}
	err := m.Service.load(request, func(bool) (pieceSource, error) {
		begun = true
		return m, nil
	})
	return begun, err
}

func (m *memoryFixture) arriving(t *testing.T) bool {
	t.Helper()
	outcome, err := m.Service.outcome(podNamed{"pod"})
	must(t, err)
	return outcome.Containers[0].Arriving
}

func TestMemoryThatCRIUDoesNotReadIsLoadedAfterThePlan(t *testing.T) {
	m := withMemory(t, true)
	last := m.layout.Count() - 1
	if !slices.Equal(m.asked, []int{0, last}) {
		t.Fatalf("the service asked for %v of %d pieces before the plan", m.asked, last+1)
	}
	pod, read := m.lay(t)
	if !slices.Equal(read.Arriving, []string{"app"}) || !m.arriving(t) {
		t.Errorf("the plan is %+v", read)
	}
	_, err := pod.Verify(read)
	must(t, err)
	memory, err := pod.Arriving(read, "app")
	must(t, err)
	boot, err := proc.BootID()
	must(t, err)
	if !memory.Fit(boot) || memory.Ready(1) {
		t.Errorf("pieces %v are missing", memory.Missing())
	}
	// A process waits for one.
	must(t, memory.Want(3))
	m.asked = nil
	if begun, err := m.load(); err != nil || !begun {
		t.Fatalf("begun %t: %v", begun, err)
	}
	if m.asked[0] != 3 || len(m.asked) != last-1 || slices.Contains(m.asked, last) {
		t.Errorf("the service asked for %v", m.asked)
	}
	got, err := os.ReadFile(pod.Path("cp", images, "pages-1.img"))
	if err != nil || !bytes.Equal(got, m.pages) {
		t.Errorf("the pages differ: %v", err)
	}
	if m.arriving(t) {
		t.Error("memory still arrives")
	}
	if begun, err := m.load(); err != nil || begun {
		t.Errorf("begun again %t: %v", begun, err)
	}
	// Its checksum was compared, and is compared again after a change.
	_, err = pod.Verify(read)
	must(t, err)
	must(t, os.WriteFile(pod.Path("cp", images, "pages-1.img"), make([]byte, len(m.pages)), 0o600))
	if _, err := pod.Verify(read); err == nil {
		t.Error("other pages were accepted")
	}
}

func TestAPieceThatDiffersFromItsDigestIsNotThere(t *testing.T) {
	m := withMemory(t, true)
	pod, read := m.lay(t)
	m.before = func(piece int, content []byte) []byte {
		if piece == 2 {
			content[100]++
		}
		return content
	}
	_, err := m.load()
	var known *dump.Error
	if !errors.As(err, &known) || known.Reason != reasonContent || !errors.Is(known.Err, parts.ErrDigest) {
		t.Errorf("got %v", err)
	}
	memory, err := pod.Arriving(read, "app")
	must(t, err)
	defer memory.Close()
	if memory.Ready(2) || !memory.Ready(1) {
		t.Errorf("pieces %v are missing", memory.Missing())
	}
	got, err := os.ReadFile(pod.Path("cp", images, "pages-1.img"))
	must(t, err)
	if start := 2*sixteenth - 1<<20; !bytes.Equal(got[start:start+1<<19], make([]byte, 1<<19)) {
		t.Error("a part of the piece was written")
	}
	// A later request continues.
	m.before, m.asked = nil, nil
	m.queue.Reset()
	if _, err := m.load(); err != nil || slices.Contains(m.asked, 1) {
		t.Errorf("asked for %v: %v", m.asked, err)
	}
}

func TestMemoryOfAnotherBootIsLoadedAgain(t *testing.T) {
	m := withMemory(t, true)
	pod, read := m.lay(t)
	memory, err := pod.Arriving(read, "app")
	must(t, err)
	memory.Boot = "another"
	must(t, memory.Save())
	m.asked = nil
	if _, err := m.load(); err != nil || len(m.asked) != m.layout.Count() {
		t.Errorf("asked for %v: %v", m.asked, err)
	}
}

func TestMemoryThatDoesNotComeIsLost(t *testing.T) {
	m := withMemory(t, true)
	pod, read := m.lay(t)
	_, err := m.Service.loseMemory(loseRequest{podNamed{"pod"}, "the layer is gone"})
	must(t, err)
	memory, err := pod.Arriving(read, "app")
	must(t, err)
	if failure := memory.Failure(); failure == nil || failure.Error() != "the layer is gone" || m.arriving(t) {
		t.Errorf("got %v", failure)
	}
	if begun, err := m.load(); begun || err == nil {
		t.Errorf("begun %t: %v", begun, err)
	}
}

func TestMemoryOfOtherSegmentsIsRejected(t *testing.T) {
	m := withMemory(t, true)
	m.lay(t)
	m.set = slices.Clone(m.set)
	m.set[1] = m.set[2]
	var known *dump.Error
	if begun, err := m.load(); begun || !errors.As(err, &known) || known.Reason != dump.ReasonInvalid {
		t.Errorf("begun %t: %v", begun, err)
	}
}

func TestMemoryThatCRIUReadsIsStagedBeforeThePlan(t *testing.T) {
	m := withMemory(t, false)
	if len(m.asked) != m.layout.Count() {
		t.Errorf("asked for %v of %d pieces", m.asked, m.layout.Count())
	}
	pod, read := m.lay(t)
	if len(read.Arriving) > 0 || read.Seal[images+"/pages-1.img"].Inode == 0 {
		t.Errorf("the plan is %+v", read)
	}
	_, err := pod.Verify(read)
	must(t, err)
	if found, err := arrival.Open(pod.Path(plan.MemoryDirectory, "app")); found != nil || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestAPlanThatIsNotLazyHasAllMemory(t *testing.T) {
	m := withMemory(t, true)
	_, err := m.Service.lay(layRequest{
		PodUID: "pod", Checkpoint: "cp", Deadline: time.Unix(4e9, 0).UTC(), Fallback: plan.FallbackFresh, Restart: plan.RestartFresh,
	})
	if err == nil || !strings.Contains(err.Error(), "not lazy") {
		t.Fatalf("got %v", err)
	}
	// What was staged is deleted, so it is staged again.
	must(t, m.stageParts(false))
	_, read := m.lay(t)
	if len(read.Arriving) > 0 {
		t.Errorf("the plan is %+v", read)
	}
}

func TestAStagingWithoutMemoryThatBreaksLeavesNothing(t *testing.T) {
	m := withMemory(t, true)
	_, err := m.Service.forgetPlan(podNamed{"pod"})
	must(t, err)
	m.before = func(piece int, content []byte) []byte {
		if piece > 0 {
			return content[:len(content)/2]
		}
		return content
	}
	if err := m.stageParts(true); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	for _, pattern := range []string{".part-*", "memory/*", "cp/containers/app/*"} {
		if left, _ := filepath.Glob(filepath.Join(m.staging("pod"), pattern)); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
	m.before = nil
	m.queue.Reset()
	must(t, m.stageParts(true))
	m.lay(t)
}

func TestLoadNeedsThePlanOfTheCheckpoint(t *testing.T) {
	f := start(t)
	segments := fmt.Sprintf(`[{"size":1,"sha256":%q}]`, strings.Repeat("0", 64))
	f.call(t, "load", fmt.Sprintf(`{"podUID":"pod","checkpoint":"cp","part":%q,"segments":%s}`, images, segments), reasonStage)
	f.call(t, "load", fmt.Sprintf(`{"podUID":"../pod","checkpoint":"cp","part":%q,"segments":%s}`, images, segments), dump.ReasonInvalid)
	f.call(t, "loseMemory", `{"podUID":"pod","message":"gone"}`, "")
	f.call(t, "loseMemory", `{"podUID":"pod","message":""}`, dump.ReasonInvalid)
}
