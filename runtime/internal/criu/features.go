package criu

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"

	"cedana.ai/cdk/runtime/internal/pattern"
)

// checkTime is the time limit of one `criu check`; it takes about 30 ms.
const checkTime = 20 * time.Second

var version = pattern.New(`(?m)^Version: ([0-9][0-9A-Za-z.+~-]*)$`)

// Version returns the version of a CRIU, as 4.2.1.
func Version(ctx context.Context, program string) (string, error) {
	output, err := output(ctx, program, "--version")
	if err != nil {
		return "", err
	}
	match := version().FindStringSubmatch(output)
	if match == nil {
		return "", errors.New("criu --version prints no version")
	}
	return match[1], nil
}

// FeatureMemoryTracking is the feature of kernels that track written pages: a pre-dump needs it.
const FeatureMemoryTracking = "mem_dirty_track"

// Feature says if kernel and CRIU have a feature of `criu check --feature`: mem_dirty_track, uffd, uffd-noncoop, ...
func Feature(ctx context.Context, program, name string) bool {
	_, err := output(ctx, program, "check", "--feature", name)
	return err == nil
}

// Check runs `criu check` and returns its first error.
func Check(ctx context.Context, program string) error {
	text, err := output(ctx, program, "check")
	if err == nil {
		return nil
	}
	if found := firstError(strings.NewReader(text)); found != "" {
		return errors.New(found)
	}
	return err
}

func output(ctx context.Context, program string, list ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	text, err := exec.CommandContext(ctx, program, list...).CombinedOutput()
	return string(text), err
}
