// Command grafana-schema reads a Grafana dashboard (JSON) and reports what Grafana's schema does not allow: unknown, missing and
// wrong fields, also those of queries and of the options of panels.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	raw, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = check(raw)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(raw []byte) error {
	plugins.RegisterDefaultPlugins()
	var strict, board dashboard.Dashboard
	// Without a problem both may return an empty list of problems, which is not nil.
	if err := strict.UnmarshalJSONStrict(raw); err != nil && err.Error() != "" {
		return err
	}
	// The strict one leaves out panels whose list of problems is empty.
	if err := json.Unmarshal(raw, &board); err != nil {
		return err
	}
	if err := board.Validate(); err != nil && err.Error() != "" {
		return err
	}
	return nil
}
