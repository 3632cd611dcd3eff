// Package service is the program of the node that takes checkpoints for the agent: it listens on a unix socket for lines
// of JSON, from root only.
package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/strictjson"
)

// lineBytes is the longest line of a request. One with the 1024 segments of a large part has 95 kB.
const lineBytes = 256 << 10

// request is one line from a client.
type request struct {
	// ID is repeated in the response.
	ID     string          `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	// client is the process that sent it.
	client int
}

// response is one line to a client. It has either a result or an error.
type response struct {
	ID     string   `json:"id"`
	Result any      `json:"result,omitempty"`
	Error  *failure `json:"error,omitempty"`
}

type failure struct {
	Reason    string `json:"reason"`
	Message   string `json:"message"`
	Container string `json:"container,omitempty"`
	Remedy    string `json:"remedy,omitempty"`
}

// Reasons besides those of package dump.
const (
	reasonUnknownMethod = "UnknownMethod"
	reasonInFlight      = "CheckpointInFlight"
)

func failureOf(err error) *failure {
	var known *dump.Error
	if errors.As(err, &known) {
		return &failure{known.Reason, known.Err.Error(), known.Container, known.Remedy}
	}
	return &failure{Reason: dump.ReasonFailed, Message: err.Error()}
}

// parseRequest reads one line. The returned request has an ID also after most errors.
func parseRequest(line []byte) (request, error) {
	var read request
	if err := strictjson.Unmarshal(line, &read); err != nil {
		return request{ID: read.ID}, &dump.Error{Reason: dump.ReasonInvalid, Err: fmt.Errorf("the request is invalid: %w", err)}
	}
	if len(read.ID) > 128 {
		return request{}, &dump.Error{Reason: dump.ReasonInvalid, Err: errors.New("the id has more than 128 bytes")}
	}
	return read, nil
}

// parameters reads the parameters of a request. None are the same as {}.
func parameters(from json.RawMessage, into any) error {
	if len(bytes.TrimSpace(from)) == 0 {
		from = json.RawMessage("{}")
	}
	if err := strictjson.Unmarshal(from, into); err != nil {
		return &dump.Error{Reason: dump.ReasonInvalid, Err: fmt.Errorf("params are invalid: %w", err)}
	}
	return nil
}

// named are the parameters of a request about one checkpoint.
type named struct {
	UID string `json:"uid"`
}

func (n named) validate() error {
	if !checkpoint.IsUID(n.UID) {
		return &dump.Error{Reason: dump.ReasonInvalid, Err: fmt.Errorf("uid %.80q is invalid", n.UID)}
	}
	return nil
}
