package service

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/guard"
	"cedana.ai/cdk/runtime/internal/pod"
)

// TestMain runs this program as a client of a socket when a test starts it so.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "client" {
		connection, err := net.Dial("unix", os.Args[2])
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Fprintln(connection, `{"id":"1","method":"state","params":{}}`)
		line, _ := bufio.NewReader(connection).ReadString('\n')
		fmt.Printf("got %q\n", line)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// fixture is a service on a socket. Its checkpoints are written by a stand-in, which waits for `release`.
type fixture struct {
	*Service
	dir     string
	socket  string
	taken   atomic.Int32
	begun   chan string
	release chan error
	// stop ends the service and waits until it has ended.
	stop func()
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{dir: t.TempDir(), begun: make(chan string, 10), release: make(chan error, 10)}
	ctx, cancel := context.WithCancel(context.Background())
	node := dump.Node{
		Paths: pod.Paths{Bundles: f.dir + "/bundles", Runtime: f.dir + "/state"}, Checkpoints: f.dir + "/checkpoints", Journal: guard.Journal(f.dir + "/journal"),
	}
	must(t, os.MkdirAll(node.Checkpoints+"/"+dump.WorkPrefix+"old", 0o700), os.Chmod(node.Checkpoints, 0o700))
	s, err := New(ctx, node, f.dir+"/restore", func() (string, string, error) { return "/runc", "/criu", nil })
	must(t, err)
	s.take = func(_ context.Context, node *dump.Node, request dump.Request) (*dump.Result, error) {
		f.taken.Add(1)
		f.begun <- request.UID
		// A test that failed does not release it.
		select {
		case err := <-f.release:
			if err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		return writeCheckpoint(t, node.Checkpoints, request), nil
	}
	f.Service, f.socket = s, f.dir+"/run/node.sock"
	listener, err := Listen(f.socket)
	must(t, err)
	served := make(chan error)
	go func() { served <- s.Serve(listener) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		listener.Close()
		must(t, <-served)
	})
	t.Cleanup(f.stop)
	return f
}

// writeCheckpoint writes a checkpoint of the container app, or of those with these IDs: their names with a suffix.
func writeCheckpoint(t *testing.T, directory string, request dump.Request, ids ...string) *dump.Result {
	path := filepath.Join(directory, request.UID)
	must(t, os.MkdirAll(path, 0o700))
	root, err := os.OpenRoot(path)
	must(t, err)
	defer root.Close()
	empty := "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	c := &checkpoint.Checkpoint{
		Version: checkpoint.Version, UID: request.UID, CreatedAt: time.Unix(1, 0).UTC(), TCP: checkpoint.TCPClose,
		Pod:  checkpoint.Pod{UID: request.PodUID, Namespace: "shop", Name: "web"},
		Node: checkpoint.Node{Kernel: "6", Architecture: "amd64", Cgroup: "v2", CRIU: "4", Runc: "1"},
	}
	if len(ids) == 0 {
		ids = []string{"app"}
	}
	for _, id := range ids {
		name, _, _ := strings.Cut(id, "-")
		image := filepath.Join(checkpoint.Containers, name, "images/inventory.img")
		must(t, root.MkdirAll(filepath.Dir(image), 0o700), root.WriteFile(image, []byte("x"), 0o600))
		stored, err := checkpoint.ArchiveOf(root, image)
		must(t, err)
		c.Containers = append(c.Containers, checkpoint.Container{
			Name: name, ID: id, Security: checkpoint.Security{Seccomp: checkpoint.Unconfined, MaskedPaths: empty, ReadonlyPaths: empty},
			Files: []checkpoint.FileEntry{{Path: "images/inventory.img", Archive: stored}},
		})
	}
	must(t, checkpoint.Write(root, c))
	return &dump.Result{Checkpoint: c, Directory: path}
}

// client is a connection that sends requests and reads responses.
type client struct {
	t *testing.T
	net.Conn
	lines *bufio.Reader
}

func (f *fixture) connect(t *testing.T) client {
	t.Helper()
	connection, err := net.Dial("unix", f.socket)
	must(t, err)
	t.Cleanup(func() { connection.Close() })
	return client{t, connection, bufio.NewReader(connection)}
}

func (c client) send(id, method, params string) {
	c.t.Helper()
	_, err := fmt.Fprintf(c, `{"id":%q,"method":%q,"params":%s}`+"\n", id, method, params)
	must(c.t, err)
}

// receive returns the next response as id, result and reason of the error.
func (c client) receive() (string, map[string]any, string) {
	c.t.Helper()
	line, err := c.lines.ReadBytes('\n')
	must(c.t, err)
	var read struct {
		ID     string
		Result map[string]any
		Error  failure
	}
	must(c.t, json.Unmarshal(line, &read))
	return read.ID, read.Result, read.Error.Reason
}

func (c client) want(id, reason string) map[string]any {
	c.t.Helper()
	gotID, result, gotReason := c.receive()
	if gotID != id || gotReason != reason {
		c.t.Fatalf("got response %q with reason %q, want %q with %q", gotID, gotReason, id, reason)
	}
	return result
}

func TestRequestsForOneCheckpointShareIt(t *testing.T) {
	f := start(t)
	one, two := f.connect(t), f.connect(t)
	one.send("a", "checkpoint", `{"uid":"cp","podUID":"pod"}`)
	<-f.begun
	one.Close()
	two.send("b", "checkpoint", `{"uid":"cp","podUID":"pod"}`)
	two.send("c", "checkpoint", `{"uid":"other","podUID":"pod"}`)
	two.want("c", reasonInFlight)
	two.send("d", "forget", `{"uid":"cp"}`)
	two.want("d", reasonInFlight)
	two.send("e", "state", `{}`)
	if state := two.want("e", ""); fmt.Sprint(state["inFlight"]) != "[cp]" || fmt.Sprint(state["checkpoints"]) != "[]" {
		t.Errorf("got %v", state)
	}
	f.release <- nil
	if result := two.want("b", ""); result["directory"] != f.dir+"/checkpoints/cp" {
		t.Errorf("got %v", result)
	}
	// Its response was lost: the same request returns what exists.
	three := f.connect(t)
	three.send("f", "checkpoint", `{"uid":"cp","podUID":"pod"}`)
	three.want("f", "")
	three.send("g", "checkpoint", `{"uid":"cp","podUID":"another"}`)
	three.want("g", dump.ReasonInvalid)
	if f.taken.Load() != 1 {
		t.Errorf("%d checkpoints were taken", f.taken.Load())
	}
	three.send("h", "state", `{}`)
	if state := three.want("h", ""); !strings.Contains(fmt.Sprint(state["checkpoints"]), "bytes:1 podUID:pod uid:cp") {
		t.Errorf("got %v", state)
	}
	for range 2 {
		three.send("i", "forget", `{"uid":"cp"}`)
		three.want("i", "")
	}
	if names, _ := os.ReadDir(f.dir + "/checkpoints"); len(names) > 0 {
		t.Errorf("%v is left", names)
	}
}

func TestADrainLetsCheckpointsInFlightEnd(t *testing.T) {
	f := start(t)
	c := f.connect(t)
	c.send("a", "checkpoint", `{"uid":"cp","podUID":"pod"}`)
	<-f.begun
	// A limit ends the wait, not the checkpoint.
	f.Drain(time.Nanosecond)
	drained := make(chan struct{})
	go func() {
		f.Drain(time.Hour)
		close(drained)
	}()
	c.send("b", "checkpoint", `{"uid":"other","podUID":"another"}`)
	c.want("b", dump.ReasonInterrupted)
	c.send("c", "state", `{}`)
	if state := c.want("c", ""); fmt.Sprint(state["inFlight"]) != "[cp]" {
		t.Errorf("got %v", state)
	}
	select {
	case <-drained:
		t.Error("the service stops with a checkpoint in flight")
	default:
	}
	f.release <- nil
	c.want("a", "")
	<-drained
}

func TestFailuresAreReportedAndCanBeRepeated(t *testing.T) {
	f := start(t)
	c := f.connect(t)
	f.release <- &dump.Error{Reason: dump.ReasonDump, Container: "app", Remedy: "r", Err: errors.New("m")}
	c.send("1", "checkpoint", `{"uid":"cp","podUID":"pod"}`)
	line, err := c.lines.ReadString('\n')
	must(t, err)
	if want := `{"id":"1","error":{"reason":"DumpFailed","message":"m","container":"app","remedy":"r"}}` + "\n"; line != want {
		t.Errorf("got %s", line)
	}
	f.release <- nil
	c.send("2", "checkpoint", `{"uid":"cp","podUID":"pod"}`)
	c.want("2", "")
}

func TestCallPrintsResultOrError(t *testing.T) {
	f := start(t)
	for _, each := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"state"}, 0, `"inFlight":[]`},
		{[]string{"forget", `{"uid":"cp"}`}, 0, "{}"},
		{[]string{"forget", `{"uid":"/"}`}, 1, `"reason":"InvalidRequest"`},
		{[]string{"forget", `{`}, 2, "not JSON"},
		{nil, 2, "usage"},
	} {
		var output bytes.Buffer
		if status := call(f.socket, each.args, &output, &output); status != each.status || !strings.Contains(output.String(), each.want) {
			t.Errorf("%v: got %d, %s", each.args, status, output.String())
		}
	}
	if status := call(f.dir+"/none", []string{"state"}, &bytes.Buffer{}, &bytes.Buffer{}); status != 1 {
		t.Errorf("without a service: %d", status)
	}
}

func TestInvalidRequestsAreRejected(t *testing.T) {
	f := start(t)
	c := f.connect(t)
	for _, each := range []struct{ line, id, reason string }{
		{`{"id":"1","method":"checkpoint","params":{"uid":"../x","podUID":"p"}}`, "1", dump.ReasonInvalid},
		{`{"id":"1","method":"checkpoint","params":{"uid":"x","podUID":"p","path":"/"}}`, "1", dump.ReasonInvalid},
		{`{"id":"1","method":"checkpoint"}`, "1", dump.ReasonInvalid},
		{`{"id":"1","method":"forget","params":{"uid":".."}}`, "1", dump.ReasonInvalid},
		{`{"id":"1","method":"run","params":{}}`, "1", reasonUnknownMethod},
		{`not JSON`, "", dump.ReasonInvalid},
		{`[]`, "", dump.ReasonInvalid},
	} {
		_, err := fmt.Fprintln(c, each.line)
		must(t, err)
		c.want(each.id, each.reason)
	}
	_, err := c.Write(append(bytes.Repeat([]byte("x"), lineBytes+1), '\n'))
	must(t, err)
	c.want("", dump.ReasonFailed)
	if _, err := c.lines.ReadByte(); err == nil {
		t.Error("the connection stays open after a line that is too long")
	}
	f.connect(t).send("1", "state", "{}")
	if f.taken.Load() > 0 {
		t.Error("a checkpoint was taken")
	}
}

func TestOnlyRootIsServed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: it starts a client of another user")
	}
	f := start(t)
	program := f.dir + "/client"
	self, err := os.ReadFile("/proc/self/exe")
	must(t, err, os.WriteFile(program, self, 0o755))
	info, err := os.Stat(f.socket)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has mode %v", info.Mode())
	}
	client := func(user uint32) string {
		command := exec.Command(program, "client", f.socket)
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		return string(output)
	}
	// Everything that the file system would deny is permitted, so that the socket itself must reject.
	for path := f.socket; path != "/" && path != os.TempDir(); path = filepath.Dir(path) {
		must(t, os.Chmod(path, 0o777))
	}
	if got := client(65534); got != "got \"\"\n" {
		t.Errorf("another user is served: %s", got)
	}
	if got := client(0); !strings.Contains(got, "freeBytes") {
		t.Errorf("root is not served: %s", got)
	}
}

func TestNewRejectsDirectoriesOfOthers(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/checkpoints", 0o700), os.Chmod(dir+"/checkpoints", 0o755))
	node := dump.Node{Checkpoints: dir + "/checkpoints", Journal: guard.Journal(dir + "/journal")}
	if _, err := New(context.Background(), node, dir+"/restore", nil); err == nil {
		t.Error("a directory that others can read is accepted")
	}
}

// acceptedNames returns the UIDs in the parameters of each method that accepts these.
func acceptedNames(params json.RawMessage) []string {
	names := []string{}
	var one named
	if parameters(params, &one) == nil && one.validate() == nil {
		names = append(names, one.UID)
	}
	var lay layRequest
	if parameters(params, &lay) == nil {
		if written, err := lay.plan(); err == nil {
			names = append(names, written.PodUID, written.Checkpoint)
		}
	}
	var decline declineRequest
	if parameters(params, &decline) == nil {
		if _, err := decline.decision(); err == nil {
			names = append(names, decline.PodUID)
		}
	}
	var stage stageRequest
	if parameters(params, &stage) == nil && stage.validate() == nil {
		names = append(names, stage.PodUID, stage.Checkpoint)
	}
	var replan replanRequest
	if parameters(params, &replan) == nil && replan.validate() == nil {
		names = append(names, replan.PodUID, replan.Checkpoint)
	}
	return names
}

func FuzzRequest(f *testing.F) {
	digest := strings.Repeat("a", 64)
	f.Add([]byte(`{"id":"1","method":"stage","params":{"podUID":"a","checkpoint":"b","part":"metadata","segments":[{"size":1,"sha256":"` + digest + `"}]}}`))
	f.Add([]byte(`{"id":"1","method":"lay","params":{"podUID":"a","checkpoint":"b","deadline":"2026-01-01T00:00:00Z","fallback":"fresh","restart":"again"}}`))
	f.Add([]byte(`{"id":"1","method":"decline","params":{"podUID":"a..b","reason":"R","message":"m"}}`))
	f.Add([]byte(`{"id":"1","method":"replan","params":{"podUID":"a","checkpoint":"../b"}}`))
	f.Add([]byte(`{"id":"1","method":"checkpoint","params":{"uid":"a","podUID":"b","containers":[{"name":"c","image":""}],"tcp":"close"}}`))
	f.Add([]byte(`{"id":"1","method":"state"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		read, err := parseRequest(line)
		if err != nil {
			return
		}
		var params dump.Request
		if parameters(read.Params, &params) == nil && params.Normalize() == nil && strings.ContainsAny(params.UID+params.PodUID, "/\x00\n") {
			t.Errorf("got %+v", params)
		}
		for _, name := range acceptedNames(read.Params) {
			// All of them become names of files.
			if name == "" || strings.ContainsAny(name, "/\x00\n") || strings.Contains(name, "..") {
				t.Errorf("the name %q is accepted", name)
			}
		}
		if line := encode(read.ID, nil, errors.New("x")); bytes.Count(line, []byte("\n")) != 1 {
			t.Errorf("got %q", line)
		}
	})
}

func TestSocketOfTheHealthCheckAnswersOnlyItsMethod(t *testing.T) {
	f := start(t)
	path := f.dir + "/state/state.sock"
	listener, err := Listen(path)
	must(t, err)
	served := make(chan error)
	go func() { served <- f.ServeState(listener) }()
	if _, err := exchange(path, "state", json.RawMessage("{}")); err != nil {
		t.Error(err)
	}
	for _, method := range []string{"checkpoint", "forget", "export", "stage", "lay", "decline", "outcome", "forgetPlan", "hold", "usage", ""} {
		params := json.RawMessage(`{"uid":"cp","podUID":"pod","part":"metadata"}`)
		_, err := exchange(path, method, params)
		if err == nil || !strings.Contains(err.Error(), "this socket does not answer the method") {
			t.Errorf("%s: got %v", method, err)
		}
	}
	if f.taken.Load() != 0 {
		t.Error("a checkpoint was taken")
	}
	listener.Close()
	must(t, <-served)
}
