// Package ask sends requests to the host service.
package ask

import (
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// Answer is a response of the service: it has either a result or an error.
type Answer struct {
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// Service sends one request to a socket and returns the response. It waits no longer than the limit, if that is not 0.
func Service(socket string, limit time.Duration, method string, params any) (Answer, error) {
	var answer Answer
	connection, err := net.DialTimeout("unix", socket, limit)
	if err != nil {
		return answer, err
	}
	defer connection.Close()
	if limit > 0 {
		if err := connection.SetDeadline(time.Now().Add(limit)); err != nil {
			return answer, err
		}
	}
	request := map[string]any{"id": method, "method": method, "params": params}
	if err := json.NewEncoder(connection).Encode(request); err != nil {
		return answer, err
	}
	if err := json.NewDecoder(connection).Decode(&answer); err != nil {
		return answer, fmt.Errorf("no response: %w", err)
	}
	return answer, nil
}
