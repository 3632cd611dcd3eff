package service

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/plan"
)

const (
	reasonStage   = "StageFailed"
	reasonStarted = "PodStarted"

	// partPrefix begins the name of the directory of an incomplete part, in the directory of a staging.
	partPrefix = ".part-"

	// defaultStageReserve is the free space that must remain; as for a checkpoint.
	defaultStageReserve = 64 << 20
)

// stageRequest are the parameters of the method stage.
type stageRequest struct {
	podCheckpoint
	Part string `json:"part"`
	// Segments are the bytes that the client sends, in their order: the blobs of a registry.
	Segments []parts.Segment `json:"segments"`
	// MaxBytes is the largest sum of the checkpoint's files, for the metadata; 0 means none.
	MaxBytes int64 `json:"maxBytes"`
	// ReserveBytes is the free space that must remain, for the metadata; the default is defaultStageReserve.
	ReserveBytes int64 `json:"reserveBytes"`
	// Lazy permits that memory is not staged, but loaded after the plan.
	Lazy bool `json:"lazy"`
}

var sha256Digits = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (r *stageRequest) validate() error {
	if r.ReserveBytes == 0 {
		r.ReserveBytes = defaultStageReserve
	}
	if err := r.podCheckpoint.validate(); err != nil {
		return err
	}
	switch {
	case len(r.Segments) == 0:
		return invalid("there are no segments")
	case r.Part == parts.Metadata && (len(r.Segments) > 1 || r.Segments[0].Size > checkpoint.MaxBytes):
		return invalid("the metadata must be one segment of at most %d bytes", checkpoint.MaxBytes)
	case r.MaxBytes < 0 || r.ReserveBytes < 0:
		return invalid("maxBytes or reserveBytes is negative")
	}
	size := int64(0)
	for at, each := range r.Segments {
		if size += each.Size; each.Size <= 0 || size < 0 || !sha256Digits.MatchString(each.SHA256) {
			return invalid("size or sha256 of segment %d is invalid", at)
		}
	}
	return nil
}

// size returns how many bytes the client sends.
func (r *stageRequest) size() int64 {
	sum := int64(0)
	for _, each := range r.Segments {
		sum += each.Size
	}
	return sum
}

// readiness is the first result of the method stage. The client sends the bytes if it is ready, and gets a second result.
type readiness struct {
	// Ready is false if the part is staged already.
	Ready bool `json:"ready"`
	// Pieces says that the client sends only the pieces that it is asked for, by lines with their numbers.
	Pieces bool `json:"pieces,omitempty"`
}

// begin answers that a client may send all bytes, or pieces.
type begin func(pieces bool) (pieceSource, error)

func (s *Service) answerStage(from *stream, read request) { from.receive(read, s.stage) }

// receive answers a request whose client sends the bytes of segments: stage or load.
func (s *stream) receive(read request, write func(stageRequest, begin) error) {
	var params stageRequest
	err := parameters(read.Params, &params)
	if err == nil {
		err = params.validate()
	}
	asked := false
	if err == nil {
		err = write(params, func(pieces bool) (pieceSource, error) {
			asked = true
			return s, s.respond(readiness{Ready: true, Pieces: pieces}, nil)
		})
	}
	switch {
	case err != nil:
		if s.respond(nil, err) == nil && asked {
			s.drain()
		}
	case asked:
		_ = s.respond(struct{}{}, nil)
	default:
		_ = s.respond(readiness{}, nil)
	}
}

// stage writes one part of a checkpoint for a restore. Begin requests the bytes; it is not called if the part is staged.
func (s *Service) stage(params stageRequest, begin begin) error {
	name := params.Part
	if name == parts.Metadata {
		// It can replace what another checkpoint staged.
		name = wholePod
	}
	release, err := s.restores.begin(params.PodUID, name)
	if err != nil {
		return err
	}
	defer release()
	found, err := s.planned(params.PodUID, params.Checkpoint)
	if found || err != nil {
		return err
	}
	if params.Part == parts.Metadata {
		return failed(reasonStage, s.stageMetadata(params, begin))
	}
	root, err := os.OpenRoot(s.staging(params.PodUID))
	if err == nil {
		defer root.Close()
		err = s.stagePart(root, params, begin)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return invalid("the metadata of checkpoint %s must be staged first", params.Checkpoint)
	}
	return failed(reasonStage, err)
}

func (s *Service) staging(podUID string) string {
	return filepath.Join(s.plans, plan.StagingPrefix+podUID)
}

// planned says if a pod has a plan of a checkpoint. It returns an error if the pod cannot get one any more.
func (s *Service) planned(podUID, uid string) (bool, error) {
	pod, err := plan.Open(s.plans, podUID)
	if errors.Is(err, plan.ErrNoPlan) {
		return false, nil
	}
	if err != nil {
		return false, failed(reasonStage, err)
	}
	defer pod.Close()
	found, err := pod.Read()
	switch {
	case errors.Is(err, plan.ErrNoPlan):
		return false, &dump.Error{Reason: reasonStarted, Err: fmt.Errorf("pod %s started without a plan", podUID)}
	case err != nil:
		return false, failed(reasonStage, err)
	case found.Checkpoint != uid:
		return false, &dump.Error{Reason: reasonStarted, Err: fmt.Errorf("pod %s has a plan of checkpoint %s", podUID, found.Checkpoint)}
	}
	return true, nil
}

func (s *Service) stageMetadata(params stageRequest, begin begin) error {
	directory := s.staging(params.PodUID)
	if isStaged(directory, params) {
		return nil
	}
	from, err := begin(false)
	if err != nil {
		return err
	}
	verified := parts.NewVerifier(from, params.Segments)
	text, err := io.ReadAll(verified)
	if err == nil {
		err = verified.Verify()
	}
	if err != nil {
		return err
	}
	c, err := checkpoint.Parse(bytes.NewReader(text))
	if err != nil {
		return err
	}
	if c.UID != params.Checkpoint {
		return fmt.Errorf("the metadata is of checkpoint %s", c.UID)
	}
	needed := int64(0)
	for _, each := range c.Paths() {
		if needed += each.Size; needed < 0 || params.MaxBytes > 0 && needed > params.MaxBytes {
			return &dump.Error{Reason: dump.ReasonNoSpace, Err: fmt.Errorf("checkpoint %s has more than %d bytes", c.UID, params.MaxBytes), Remedy: "raise the quota of the agent"}
		}
	}
	s.restores.end(params.PodUID)
	if err := os.RemoveAll(directory); err != nil {
		return err
	}
	if err := s.space(params.PodUID, promise{needed, params.ReserveBytes}); err != nil {
		return err
	}
	err = os.MkdirAll(filepath.Join(directory, c.UID), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(directory, c.UID, checkpoint.File), text, 0o600)
	}
	if err != nil {
		s.restores.end(params.PodUID)
		return errors.Join(err, os.RemoveAll(directory))
	}
	return nil
}

// isStaged says if the same metadata is staged.
func isStaged(directory string, params stageRequest) bool {
	root, err := os.OpenRoot(filepath.Join(directory, params.Checkpoint))
	if err != nil {
		return false
	}
	defer root.Close()
	size, sha, err := checkpoint.Digest(root, checkpoint.File)
	return err == nil && parts.Segment{Size: size, SHA256: sha} == params.Segments[0]
}

func (s *Service) stagePart(root *os.Root, params stageRequest, begin begin) error {
	inside, err := root.OpenRoot(params.Checkpoint)
	if err != nil {
		return err
	}
	defer inside.Close()
	c, err := checkpoint.Read(inside)
	if err != nil {
		return err
	}
	part, err := parts.Of(c, params.Part)
	if err != nil {
		return &dump.Error{Reason: reasonNoPart, Err: err}
	}
	if _, err := inside.Lstat(part.Path); err == nil {
		return nil
	}
	plain, err := part.Size()
	if err != nil {
		return err
	}
	// zstd adds at most 3 bytes for each 128 KiB that it cannot compress.
	if size := params.size(); size > plain+plain/100+1<<20 {
		return invalid("part %s has %d bytes, and cannot have %d when compressed", part.Name, plain, size)
	}
	release, err := slot(s.ctx, s.stages)
	if err != nil {
		return err
	}
	defer release()
	// Since the space was promised, others can have used it.
	if err := s.fits(part.Bytes(), s.restores.reserveOf(params.PodUID)); err != nil {
		return err
	}
	temporary := partPrefix + strings.ReplaceAll(part.Name, "/", "-")
	pieces, err := divided(part, params)
	if err != nil {
		return err
	}
	if pieces != nil {
		st := &staging{root, temporary, part, pieces}
		if staged, err := s.stageDivided(st, params, begin); staged || err != nil {
			return err
		}
	}
	if container := parts.ContainerOf(part.Name); container != "" {
		// An earlier request could be lazy.
		if err := root.RemoveAll(path.Join(plan.MemoryDirectory, container)); err != nil {
			return err
		}
	}
	from, err := begin(false)
	if err != nil {
		return err
	}
	if err := part.Stage(root, temporary, from, params.Segments); err != nil {
		return err
	}
	return s.commit(root, temporary, part, params, func(parts.File) bool { return true })
}

// commit moves a part to its place. The checksums of the files that are sealed were compared.
func (s *Service) commit(root *os.Root, temporary string, part *parts.Part, params stageRequest, isSealed func(parts.File) bool) error {
	if err := part.Commit(root, temporary, params.Checkpoint); err != nil {
		return err
	}
	s.restores.written(params.PodUID, part.Bytes())
	for _, each := range part.Files {
		if !isSealed(each) {
			continue
		}
		sealed, err := plan.SealOf(root, path.Join(params.Checkpoint, each.Path))
		if err != nil {
			return err
		}
		s.restores.seal(params.PodUID, each.Path, sealed)
	}
	return nil
}
