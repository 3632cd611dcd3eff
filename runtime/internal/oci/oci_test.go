package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestParseReadsTheCallsOfTheShim(t *testing.T) {
	global := []string{"--root", "/run/containerd/runc/k8s.io", "--log", "/b/log.json", "--log-format", "json", "--systemd-cgroup"}
	with := func(more ...string) []string { return append(append([]string{}, global...), more...) }
	base := Call{Global: global, Root: "/run/containerd/runc/k8s.io", Log: "/b/log.json", LogFormat: "json", SystemdCgroup: true}
	create, start, remove, kill := base, base, base, base
	create.Command, create.Bundle, create.PIDFile, create.ID = "create", "/b", "/b/init.pid", "abc"
	terminal := create
	terminal.ConsoleSocket, terminal.NoPivot = "/s", true
	start.Command, start.ID = "start", "abc"
	remove.Command, remove.ID = "delete", "abc"
	kill.Command, kill.ID, kill.Signal = "kill", "abc", "9"
	for _, each := range []struct {
		args []string
		want Call
	}{
		{with("create", "--bundle", "/b", "--pid-file", "/b/init.pid", "abc"), create},
		{with("create", "-b=/b", "--pid-file=/b/init.pid", "--no-pivot", "--console-socket", "/s", "--no-new-keyring", "abc"), terminal},
		{with("start", "abc"), start},
		{with("delete", "--force", "abc"), remove},
		{with("kill", "--all", "abc", "9"), kill},
		{[]string{"kill", "abc"}, Call{Global: []string{}, Command: "kill", ID: "abc"}},
		{[]string{"start", "--", "-x"}, Call{Global: []string{}, Command: "start", ID: "-x"}},
	} {
		got, valid := Parse(each.args)
		if !valid || !reflect.DeepEqual(got, each.want) {
			t.Errorf("%q: got %+v, %v", each.args, got, valid)
		}
	}
}

func TestParseLeavesAllOtherCallsToTheRuntime(t *testing.T) {
	for _, line := range []string{
		"", "--version", "features", "kill abc 9 x", "kill --pid abc 9", "exec --process p abc", "create", "create --bundle",
		"create --bundle /b", "create --new-option /b abc", "--new-option x create --bundle /b abc", "start ../x", "start ..",
		"start a b", "create --preserve-fds 2 --bundle /b abc", "checkpoint abc", "--root", "-- start abc x",
	} {
		if call, valid := Parse(strings.Fields(line)); valid {
			t.Errorf("%q: got %+v", line, call)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("--root /r --log=/l create --bundle /b --pid-file /p abc")
	f.Add("start -- abc")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, " ")
		call, valid := Parse(args)
		if valid && (!IsID(call.ID) || commandFlags[call.Command] == nil || len(call.Global) >= len(args)) {
			t.Errorf("%q: got %+v", args, call)
		}
	})
}

func config(annotations map[string]string) []byte {
	text, _ := json.Marshal(specs.Spec{Annotations: annotations})
	return text
}

func TestRestoredPodNeedsTheAnnotationOnAContainer(t *testing.T) {
	full := map[string]string{
		RestoreAnnotation: "", annotationType: "container", annotationContainer: "app", annotationPodUID: "1-2",
	}
	if pod, asked := RestoredPod(config(full)); !asked || pod != (Pod{UID: "1-2", Container: "app"}) {
		t.Errorf("got %+v, %v", pod, asked)
	}
	for key := range full {
		less := map[string]string{}
		for each, value := range full {
			if each != key {
				less[each] = value
			}
		}
		if pod, asked := RestoredPod(config(less)); asked {
			t.Errorf("without %s: got %+v", key, pod)
		}
	}
	for value, want := range map[string]bool{"stop": true, "fresh": false, "": false, "Stop": false} {
		full[FallbackAnnotation] = value
		if pod, asked := RestoredPod(config(full)); !asked || pod.Stop != want {
			t.Errorf("fallback %q: got %+v", value, pod)
		}
	}
	full[annotationType] = "sandbox"
	if _, asked := RestoredPod(config(full)); asked {
		t.Error("a sandbox is restored")
	}
	for _, text := range []string{"", "{", "[]", `{"annotations": 1}`} {
		if _, asked := RestoredPod([]byte(text)); asked {
			t.Errorf("%q is restored", text)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"annotations":{"cedana.ai/restore-plan":""},"process":{},"root":{"path":"rootfs"},"linux":{}}`))
	f.Add([]byte(`{"linux":{"namespaces":[{"type":"uts","path":"/proc/1/ns/uts"}]},"root":{},"process":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		RestoredPod(text)
		if spec, err := ParseConfig(text); err == nil {
			Namespace(spec, specs.UTSNamespace)
			RootFS("/bundle", spec)
		}
	})
}

func TestConfigLargerThanTheLimitIsAnError(t *testing.T) {
	bundle := t.TempDir()
	file, err := os.Create(filepath.Join(bundle, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(MaxConfigBytes + 1); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfig(bundle); err == nil {
		t.Error("no error")
	}
}

func TestPartsOfAConfig(t *testing.T) {
	spec, err := ParseConfig([]byte(`{"process":{},"root":{"path":"rootfs"},"linux":{"namespaces":[{"type":"uts","path":"/p"},{"type":"mount"}]},"future":1}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := RootFS("/b", spec); got != "/b/rootfs" {
		t.Errorf("got %s", got)
	}
	for kind, want := range map[specs.LinuxNamespaceType]string{"uts": "/p true", "mount": " true", "network": " false"} {
		path, own := Namespace(spec, kind)
		if got := path + map[bool]string{true: " true", false: " false"}[own]; got != want {
			t.Errorf("%s: got %q", kind, got)
		}
	}
	if _, err := ParseConfig([]byte(`{"process":{},"root":{}}`)); err == nil {
		t.Error("a configuration without linux is accepted")
	}
}

func TestCgroupDirectory(t *testing.T) {
	v1, v2 := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(v2, "cgroup.controllers"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, each := range []struct {
		mount, path string
		systemd     bool
		want        string
	}{
		{v1, "/kubepods/pod1/c", false, v1 + "/freezer/kubepods/pod1/c"},
		{v2, "kubepods/../../../x", false, v2 + "/x"},
		{v2, "kubepods-burstable-pod1.slice:cri-containerd:c", true,
			v2 + "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-c.scope"},
		{v2, ":cri:c", true, v2 + "/system.slice/cri-c.scope"},
	} {
		if got, err := CgroupDirectory(each.mount, each.path, each.systemd); err != nil || got != each.want {
			t.Errorf("%s: got %s, %v", each.path, got, err)
		}
	}
	for path, systemd := range map[string]bool{"": false, "/": false, "a:b": true, "a..slice/x:b:c": true, "kubepods--x.slice:b:c": true, "a.slice:b:": true} {
		if got, err := CgroupDirectory(v2, path, systemd); err == nil {
			t.Errorf("%q: got %s", path, got)
		}
	}
}
