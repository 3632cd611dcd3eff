package service

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/arrival"
	"cedana.ai/cdk/runtime/internal/checkpoint"
	imageset "cedana.ai/cdk/runtime/internal/images"
	"cedana.ai/cdk/runtime/internal/lazy"
	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/plan"
	"cedana.ai/cdk/runtime/internal/proc"
	"golang.org/x/sys/unix"
)

// staging is an image set that is staged without its memory.
type staging struct {
	root      *os.Root
	temporary string
	part      *parts.Part
	pieces    *parts.Pieces
}

// divided returns the pieces of a part whose memory can arrive after the plan; nil if it cannot: it is stored as one stream.
func divided(part *parts.Part, params stageRequest) (*parts.Pieces, error) {
	if !params.Lazy {
		return nil, nil
	}
	pieces, err := part.Pieces()
	if err != nil || pieces == nil || pieces.HeadCount() == 0 || len(params.Segments) != pieces.Count() {
		return nil, err
	}
	for _, each := range params.Segments {
		// What zstd adds at most: see parts.Pieces.
		if each.Size > pieces.Bytes+pieces.Bytes/100+1<<10 {
			return nil, nil
		}
	}
	return pieces, nil
}

// create creates the files of the image set. Those with pages get their space on the disk.
func (s *staging) create() error {
	if err := s.root.RemoveAll(s.temporary); err != nil {
		return err
	}
	for _, each := range s.part.Files {
		name := path.Join(s.temporary, each.Name)
		if err := s.root.MkdirAll(path.Dir(name), 0o700); err != nil {
			return err
		}
		file, err := s.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|unix.O_NOFOLLOW, 0o600)
		if err == nil && each.Size > 0 && parts.IsPages(name) {
			err = unix.Fallocate(int(file.Fd()), 0, 0, each.Size)
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// verify compares the checksums of files of the image set: those with pages, or the others.
func (s *staging) verify(pages bool) error {
	names, wanted := []string{}, map[string]checkpoint.Archive{}
	for _, each := range s.part.Files {
		if name := path.Join(s.temporary, each.Name); parts.IsPages(name) == pages {
			names, wanted[name] = append(names, name), each.Archive
		}
	}
	return checkpoint.Each(names, maxStreams, func(name string) error {
		stored, err := checkpoint.ArchiveOf(s.root, name)
		if err == nil && stored != wanted[name] {
			err = fmt.Errorf("%s: %w", path.Base(name), parts.ErrDigest)
		}
		return err
	})
}

// essential returns the pieces with pages that CRIU reads itself: memory that is shared, or that the kernel cannot load on
// access. All are, if the memory cannot be loaded on access at all.
func (s *staging) essential() []int {
	all := []int{}
	for piece := s.pieces.HeadCount(); piece < s.pieces.Count(); piece++ {
		all = append(all, piece)
	}
	if lazy.Supported() != nil {
		return all
	}
	found, described := map[int]bool{}, map[string]bool{}
	for _, each := range s.part.Files {
		if base := path.Base(each.Name); !strings.HasPrefix(base, "pagemap-") {
			continue
		}
		pages, err := s.pagesIn(path.Join(s.temporary, each.Name))
		if err != nil {
			return all
		}
		name := path.Join(path.Dir(each.Name), fmt.Sprintf("pages-%d.img", pages.ID))
		described[name] = true
		offset, _ := s.pieces.Offset(name)
		for _, area := range pages.Ranges {
			if area.Lazy {
				continue
			}
			first, last := offset+area.Offset, offset+area.Offset+int64(area.End-area.Start)-1
			if last >= s.pieces.Size {
				return all
			}
			for piece := s.pieces.Of(first); piece <= s.pieces.Of(last); piece++ {
				found[piece] = true
			}
		}
	}
	for _, each := range s.part.Files {
		if parts.IsPages(each.Name) && each.Size > 0 && !described[each.Name] {
			return all
		}
	}
	return slices.DeleteFunc(all, func(piece int) bool { return !found[piece] })
}

func (s *staging) pagesIn(name string) (*imageset.Pages, error) {
	file, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return imageset.ReadPages(file, os.Getpagesize())
}

// stageDivided stages an image set without the memory that can be loaded on access. Load gets the rest, after the plan. It
// returns false, without an error, if the file system cannot reserve space. Nothing is left if it is not staged.
func (s *Service) stageDivided(st *staging, params stageRequest, begin begin) (staged bool, err error) {
	directory := filepath.Join(s.staging(params.PodUID), plan.MemoryDirectory, parts.ContainerOf(st.part.Name))
	defer func() {
		if !staged {
			err = errors.Join(err, st.root.RemoveAll(st.temporary), os.RemoveAll(directory))
		}
	}()
	if err := st.create(); errors.Is(err, unix.EOPNOTSUPP) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	from, err := begin(true)
	if err == nil {
		err = s.stageMemory(st, params, directory, from)
	}
	return err == nil, err
}

// stageMemory gets what must be there before the plan. The record of what arrives is in a directory of package arrival.
func (s *Service) stageMemory(st *staging, params stageRequest, directory string, from pieceSource) error {
	layout := arrival.Layout{Part: st.part.Name, Pieces: *st.pieces, Segments: params.Segments, Files: map[string]int64{}, Essential: []int{}}
	var err error
	if layout.Boot, err = proc.BootID(); err != nil {
		return err
	}
	for _, each := range st.part.Files {
		if offset, found := st.pieces.Offset(each.Name); found && parts.IsPages(each.Name) {
			layout.Files[each.Name] = offset
		}
	}
	memory, err := arrival.Create(directory, layout)
	if err != nil {
		return err
	}
	defer memory.Close()
	f := &fetcher{from: from, memory: memory, pieces: st.pieces, root: st.root, directory: st.temporary}
	defer f.close()
	head := []int{}
	for piece := range st.pieces.HeadCount() {
		head = append(head, piece)
	}
	if err := f.fetch(inOrder(memory, head)); err != nil {
		return err
	}
	if err := st.verify(false); err != nil {
		return err
	}
	memory.Essential = append(head, st.essential()...)
	if err := memory.Save(); err != nil {
		return err
	}
	if err := f.fetch(inOrder(memory, memory.Essential)); err != nil {
		return err
	}
	complete := len(memory.Missing()) == 0
	if complete {
		// Nothing arrives later.
		if err := errors.Join(st.verify(true), os.RemoveAll(directory)); err != nil {
			return err
		}
	}
	return s.commit(st.root, st.temporary, st.part, params, func(file parts.File) bool { return complete || !parts.IsPages(file.Name) })
}
