package diagnose

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Main prints the diagnosis of this node, as text or with `--output json`. It returns the exit code: 0 without a failed
// check, 1 with one, 2 for invalid arguments.
func Main(args []string, runtime func() (string, error)) int {
	format := "text"
	switch {
	case len(args) == 0:
	case len(args) == 2 && args[0] == "--output" && (args[1] == "json" || args[1] == "text"):
		format = args[1]
	default:
		fmt.Fprintf(os.Stderr, "usage: %s [--output text|json | remove-wrapper]\n", Name)
		return 2
	}
	report := Node(runtime).Run()
	if err := report.write(os.Stdout, format); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", Name, err)
		return 1
	}
	if report.Failed() {
		return 1
	}
	return 0
}

func (r Report) write(to io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(to)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	for _, each := range r.Findings {
		if _, err := fmt.Fprintf(to, "%-8s %-12s %s\n", each.Status, each.Check, each.Message); err != nil {
			return err
		}
		if each.Remedy != "" {
			if _, err := fmt.Fprintf(to, "%-21s %s\n", "", each.Remedy); err != nil {
				return err
			}
		}
	}
	return nil
}
