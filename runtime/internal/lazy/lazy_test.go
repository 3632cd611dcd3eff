package lazy

import (
	"strings"
	"testing"
)

func FuzzStatus(f *testing.F) {
	f.Add([]byte(`{"order":{"images":"/i","cgroup":"/c","plans":"/p","podUID":"pod","container":"app","id":"0a1b","service":"/s","seconds":1},"phase":"Loading","bytes":1}`))
	f.Add([]byte(`{"order":{"podUID":"../pod","container":"app","id":"0a1b"},"phase":"Loading"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		status, err := parse(text)
		if err != nil {
			return
		}
		// All of them become names of files.
		for _, each := range []string{status.Order.PodUID, status.Order.Container, status.Order.ID} {
			if each == "" || strings.ContainsAny(each, "/\x00\n") || strings.Contains(each, "..") {
				t.Errorf("the name %q is accepted", each)
			}
		}
	})
}
