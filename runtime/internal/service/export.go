package service

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/parts"
)

const (
	reasonNoCheckpoint = "CheckpointNotFound"
	reasonNoPart       = "PartNotFound"
	reasonExport       = "ExportFailed"
)

// exportRequest are the parameters of the method export.
type exportRequest struct {
	UID  string `json:"uid"`
	Part string `json:"part"`
}

// exported is the result of the method export. The chunks of the part follow.
type exported struct {
	// Size is the size before compression in bytes.
	Size int64 `json:"size"`
}

func (s *Service) answerExport(to *stream, read request) {
	var out *chunks
	err := s.export(read, func(first exported) (io.Writer, error) {
		out = newChunks(to)
		return out, to.respond(first, nil)
	})
	switch {
	case out == nil:
		_ = to.respond(nil, err)
	case err != nil:
		// A client that left does not read it.
		_ = out.fail(encode(read.ID, nil, err))
	default:
		_ = out.complete()
	}
}

// export sends a part. Begin sends the response and returns the writer of the content.
func (s *Service) export(read request, begin func(exported) (io.Writer, error)) error {
	var params exportRequest
	if err := parameters(read.Params, &params); err != nil {
		return err
	}
	if err := (named{params.UID}).validate(); err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Join(s.node.Checkpoints, params.UID))
	if errors.Is(err, fs.ErrNotExist) {
		return &dump.Error{Reason: reasonNoCheckpoint, Err: fmt.Errorf("there is no checkpoint %s on this node", params.UID)}
	}
	if err != nil {
		return failed(reasonExport, err)
	}
	defer root.Close()
	if params.Part == parts.Metadata {
		text, err := root.ReadFile(checkpoint.File)
		if err != nil {
			return failed(reasonExport, err)
		}
		to, err := begin(exported{Size: int64(len(text))})
		if err == nil {
			_, err = to.Write(text)
		}
		return failed(reasonExport, err)
	}
	c, err := checkpoint.Read(root)
	if err != nil {
		return failed(reasonExport, err)
	}
	part, err := parts.Of(c, params.Part)
	if err != nil {
		return &dump.Error{Reason: reasonNoPart, Err: err}
	}
	size, err := part.Size()
	if err != nil {
		return failed(reasonExport, err)
	}
	release, err := slot(s.ctx, s.exports)
	if err != nil {
		return err
	}
	defer release()
	to, err := begin(exported{size})
	if err != nil {
		return err
	}
	return failed(reasonExport, part.Export(s.ctx, root, to))
}
