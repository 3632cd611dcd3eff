package removal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// node is a node with the wrapper and no container.
func node(t *testing.T) Node {
	t.Helper()
	directory := t.TempDir()
	n := Node{Wrapper: filepath.Join(directory, "cedana-runc"), Tasks: filepath.Join(directory, "tasks")}
	write(t, n.Wrapper, "program")
	return n
}

func write(t *testing.T, name, text string) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

// bundle adds a container with these files.
func (n Node) bundle(t *testing.T, id string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		write(t, filepath.Join(n.Tasks, "k8s.io", id, name), text)
	}
}

func (n Node) exists(t *testing.T) bool {
	t.Helper()
	names, err := filepath.Glob(n.Wrapper + "*")
	if err != nil || len(names) > 1 || len(names) == 1 && names[0] != n.Wrapper {
		t.Fatalf("got %v, %v", names, err)
	}
	return len(names) == 1
}

func run(n Node) (int, string) {
	var output bytes.Buffer
	status := Main(n, nil, &output, &output)
	return status, output.String()
}

func TestRemovesTheWrapperOfANodeWithoutItsContainers(t *testing.T) {
	n := node(t)
	n.bundle(t, "other", map[string]string{"runtime": "/usr/sbin/runc", "options.json": `{"binary_name":"` + n.Wrapper + `"}`})
	n.bundle(t, "kata", map[string]string{"config.json": "{}"})
	for _, want := range []string{"was removed", "does not exist"} {
		if status, output := run(n); status != 0 || !strings.Contains(output, want) || n.exists(t) {
			t.Errorf("got %d, %s", status, output)
		}
	}
}

func TestRemovesTheWrapperOfANodeWithoutContainerd(t *testing.T) {
	n := node(t)
	if status, output := run(n); status != 0 || n.exists(t) {
		t.Errorf("got %d, %s", status, output)
	}
}

func TestKeepsTheWrapperWhileContainersNeedIt(t *testing.T) {
	const config = `{"annotations":{"io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-name":"web-0","io.kubernetes.cri.container-name":"app"}}`
	for name, each := range map[string]struct {
		files func(Node) map[string]string
		want  string
	}{
		"a container of a pod": {func(n Node) map[string]string {
			return map[string]string{"runtime": n.Wrapper + "\n", "config.json": config}
		}, "k8s.io/id (shop/web-0, app)"},
		"a sandbox": {func(n Node) map[string]string {
			return map[string]string{"runtime": n.Wrapper, "config.json": strings.Replace(config, "container-name", "x", 1)}
		}, "(shop/web-0, sandbox)"},
		"a container that is being created": {func(n Node) map[string]string {
			return map[string]string{"options.json": `{"binary_name":"` + n.Wrapper + `"}`}
		}, "k8s.io/id\n"},
	} {
		t.Run(name, func(t *testing.T) {
			n := node(t)
			n.bundle(t, "id", each.files(n))
			status, output := run(n)
			if status != StatusUsed || !strings.Contains(output, each.want) || !n.exists(t) {
				t.Errorf("got %d, %s", status, output)
			}
			if err := os.RemoveAll(filepath.Join(n.Tasks, "k8s.io", "id")); err != nil {
				t.Fatal(err)
			}
			if status, output := run(n); status != 0 || n.exists(t) {
				t.Errorf("after its end: got %d, %s", status, output)
			}
		})
	}
}

func TestListsAtMostTwentyContainers(t *testing.T) {
	n := node(t)
	for i := range 25 {
		n.bundle(t, fmt.Sprint(i), map[string]string{"runtime": n.Wrapper})
	}
	if _, output := run(n); !strings.Contains(output, "for 25 containers") || !strings.Contains(output, "and 5 more") {
		t.Errorf("got %s", output)
	}
}

func TestKeepsTheWrapperWhileProgramsAreInstalled(t *testing.T) {
	n := node(t)
	n.Program = "/opt/cedana-cdk/versions/1/bin/cedana-node"
	if status, output := run(n); status != 1 || !strings.Contains(output, "Uninstall the agent") || !n.exists(t) {
		t.Errorf("got %d, %s", status, output)
	}
}

func TestKeepsTheWrapperIfTheContainersCannotBeRead(t *testing.T) {
	n := node(t)
	write(t, filepath.Join(n.Tasks, "k8s.io", "id", "runtime", "x"), "a directory in the place of the file")
	if status, output := run(n); status != 1 || !n.exists(t) {
		t.Errorf("got %d, %s", status, output)
	}
}

func TestContinuesARemovalThatWasInterrupted(t *testing.T) {
	n := node(t)
	if err := os.Rename(n.Wrapper, n.Wrapper+aside); err != nil {
		t.Fatal(err)
	}
	n.bundle(t, "id", map[string]string{"runtime": n.Wrapper})
	if status, output := run(n); status != StatusUsed || !n.exists(t) {
		t.Errorf("got %d, %s", status, output)
	}
}

func TestRejectsArguments(t *testing.T) {
	var output bytes.Buffer
	if status := Main(node(t), []string{"--force"}, &output, &output); status != 2 || !strings.Contains(output.String(), "usage:") {
		t.Errorf("got %d, %s", status, output.String())
	}
}
