package service

import (
	"encoding/json"
	"fmt"
	"io"

	"cedana.ai/cdk/runtime/internal/ask"
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
	result, err := exchange(socket, args[0], params)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", Name, err)
		return 1
	}
	fmt.Fprintf(stdout, "%s\n", result)
	return 0
}

func exchange(socket, method string, params json.RawMessage) (json.RawMessage, error) {
	answer, err := ask.Service(socket, 0, method, params)
	if err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("%s", answer.Error)
	}
	return answer.Result, nil
}
