package service

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
)

// call sends one request and prints its result as JSON. It returns the exit code: 1 if the request failed, 2 if the
// arguments are invalid.
func call(socket string, args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 && len(args) != 2 {
		fmt.Fprintf(stderr, "usage: %s call METHOD [PARAMS]\n", Name)
		return 2
	}
	params := json.RawMessage("{}")
	if len(args) == 2 {
		params = json.RawMessage(args[1])
		if !json.Valid(params) {
			fmt.Fprintf(stderr, "%s: PARAMS are not JSON\n", Name)
			return 2
		}
	}
	result, err := exchange(socket, request{ID: "call", Method: args[0], Params: params})
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", Name, err)
		return 1
	}
	fmt.Fprintf(stdout, "%s\n", result)
	return 0
}

func exchange(socket string, send request) (json.RawMessage, error) {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if err := json.NewEncoder(connection).Encode(send); err != nil {
		return nil, err
	}
	var received struct {
		ID     string          `json:"id"`
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.NewDecoder(connection).Decode(&received); err != nil {
		return nil, fmt.Errorf("no response: %w", err)
	}
	if received.Error != nil {
		return nil, fmt.Errorf("%s", received.Error)
	}
	return received.Result, nil
}
