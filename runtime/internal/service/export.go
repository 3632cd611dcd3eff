package service

import (
	"errors"
	"fmt"
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

// exported is the first result of the method export. Each segment follows as a result and its bytes, and then endOfPart.
type exported struct {
	// Size is the size before compression in bytes.
	Size int64 `json:"size"`
}

var endOfPart = parts.Segment{}

func (s *Service) answerExport(to *stream, read request) {
	err := s.export(read, to)
	if err == nil {
		_ = to.respond(endOfPart, nil)
		return
	}
	// A client that left does not read it.
	_ = to.respond(nil, err)
}

// export sends a part, but not its end.
func (s *Service) export(read request, to *stream) error {
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
		err = to.respond(exported{int64(len(text))}, nil)
		if err == nil {
			err = to.send(parts.SegmentOf(text), text)
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
	if err := to.respond(exported{size}, nil); err != nil {
		return err
	}
	return failed(reasonExport, part.Export(s.ctx, root, to.send))
}
