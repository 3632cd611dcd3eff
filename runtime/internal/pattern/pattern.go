// Package pattern has regular expressions that are compiled when they are first used. The OCI runtime wrapper is started
// for each call of containerd: expressions that were compiled at its start took 3 of 4 ms.
package pattern

import (
	"regexp"
	"sync"
)

// New returns a function that returns the compiled expression. It panics at its first call if the expression is invalid.
func New(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
