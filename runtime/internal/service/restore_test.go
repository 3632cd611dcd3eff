package service

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"cedana.ai/cdk/runtime/internal/dump"
	"cedana.ai/cdk/runtime/internal/parts"
	"cedana.ai/cdk/runtime/internal/plan"
	"golang.org/x/sys/unix"
)

const images = "containers/app/images"

// part is what one export sent.
type part struct {
	plain int64
	data  []byte
}

func (p part) sha256() string {
	sum := sha256.Sum256(p.data)
	return hex.EncodeToString(sum[:])
}

// export returns a part, or the reason of the error.
func (f *fixture) export(t *testing.T, uid, name string) (part, string) {
	t.Helper()
	c := f.connect(t)
	c.send("e", "export", fmt.Sprintf(`{"uid":%q,"part":%q}`, uid, name))
	line, err := c.lines.ReadBytes('\n')
	must(t, err)
	var first struct {
		Result exported
		Error  *failure
	}
	must(t, json.Unmarshal(line, &first))
	if first.Error != nil {
		return part{}, first.Error.Reason
	}
	got := part{plain: first.Result.Size}
	for {
		_, result, reason := c.receive()
		if reason != "" {
			return got, reason
		}
		size := int(result["size"].(float64))
		if size == 0 {
			if _, err := c.lines.ReadByte(); err != io.EOF {
				t.Errorf("the connection stays open: %v", err)
			}
			return got, ""
		}
		segment := make([]byte, size)
		_, err := io.ReadFull(c.lines, segment)
		must(t, err)
		if want := (parts.Segment{Size: int64(size), SHA256: result["sha256"].(string)}); parts.SegmentOf(segment) != want {
			t.Errorf("a segment differs from %v", want)
		}
		got.data = append(got.data, segment...)
	}
}

// stage sends a part. It returns whether the service wanted it, and the reason of the error.
func (f *fixture) stage(t *testing.T, podUID, name string, p part, more string) (bool, string) {
	t.Helper()
	c := f.connect(t)
	c.send("s", "stage", fmt.Sprintf(`{"podUID":%q,"checkpoint":"cp","part":%q,"segments":[{"size":%d,"sha256":%q}]%s}`, podUID, name, len(p.data), p.sha256(), more))
	_, result, reason := c.receive()
	if reason != "" || result["ready"] == false {
		return false, reason
	}
	_, err := c.Write(p.data)
	must(t, err, c.Conn.(*net.UnixConn).CloseWrite())
	_, _, reason = c.receive()
	return true, reason
}

func (f *fixture) call(t *testing.T, method, params, reason string) map[string]any {
	t.Helper()
	c := f.connect(t)
	c.send("c", method, params)
	return c.want("c", reason)
}

func (f *fixture) wantStage(t *testing.T, podUID, name string, p part, more string, wanted bool, reason string) {
	t.Helper()
	if got, gotReason := f.stage(t, podUID, name, p, more); got != wanted || gotReason != reason {
		t.Errorf("%s: wanted %v with reason %q, not %v with %q", name, got, gotReason, wanted, reason)
	}
}

// exported takes a checkpoint of one container and returns its two parts.
func (f *fixture) exported(t *testing.T) (metadata, set part) {
	t.Helper()
	f.release <- nil
	f.call(t, "checkpoint", `{"uid":"cp","podUID":"old"}`, "")
	metadata, reason := f.export(t, "cp", parts.Metadata)
	set, reason2 := f.export(t, "cp", images)
	if reason+reason2 != "" {
		t.Fatal(reason, reason2)
	}
	return metadata, set
}

func layParams(podUID string) string {
	return fmt.Sprintf(`{"podUID":%q,"checkpoint":"cp","deadline":%q,"fallback":"fresh","restart":"fresh","lazy":false}`, podUID, time.Unix(4e9, 0).UTC().Format(time.RFC3339))
}

func TestExportedPartsBecomeAPlan(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", images, set, "", false, dump.ReasonInvalid)
	for _, wanted := range []bool{true, false} {
		f.wantStage(t, "pod", parts.Metadata, metadata, "", wanted, "")
	}
	f.call(t, "outcome", `{"podUID":"pod"}`, "")
	state := f.call(t, "state", "{}", "")
	if got := fmt.Sprint(state["stagings"], state["plans"]); got != "[map[checkpoint:cp podUID:pod]] []" {
		t.Errorf("got %s", got)
	}
	for _, wanted := range []bool{true, false} {
		f.wantStage(t, "pod", images, set, "", wanted, "")
	}
	for range 2 {
		f.call(t, "lay", layParams("pod"), "")
	}
	f.wantStage(t, "pod", images, set, "", false, "")
	pod, err := plan.Open(f.dir+"/restore", "pod")
	must(t, err)
	defer pod.Close()
	read, err := pod.Read()
	must(t, err)
	if len(read.Seal) != 1 || read.Deadline.Unix() != 4e9 {
		t.Errorf("got plan %+v", read)
	}
	_, err = pod.Verify(read)
	must(t, err)
	state = f.call(t, "state", "{}", "")
	if got := fmt.Sprint(state["stagings"], state["plans"]); got != "[] [map[checkpoint:cp podUID:pod]]" {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(f.call(t, "outcome", `{"podUID":"pod"}`, "")); got != "map[checkpoint:cp containers:[map[attempts:0 name:app phase:Pending]] decision:]" {
		t.Errorf("got %s", got)
	}
	must(t, pod.Save(&plan.State{
		Version: 1, Decision: plan.Restore, DecidedAt: time.Unix(5, 0).UTC(),
		Containers: map[string]*plan.Container{"app": {Phase: plan.Restored, Attempts: 1, Milliseconds: 7}},
	}))
	if got := fmt.Sprint(f.call(t, "outcome", `{"podUID":"pod"}`, "")); got != "map[checkpoint:cp containers:[map[attempts:1 milliseconds:7 name:app phase:Restored]] decidedAt:1970-01-01T00:00:05Z decision:restore]" {
		t.Errorf("got %s", got)
	}
	must(t, pod.Lock())
	f.call(t, "forgetPlan", `{"podUID":"pod"}`, reasonInUse)
	pod.Close()
	for range 2 {
		f.call(t, "forgetPlan", `{"podUID":"pod"}`, "")
	}
	if left, _ := os.ReadDir(f.dir + "/restore"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestExportOfTheSameContentIsTheSame(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	if set.plain != 2048 || int(metadata.plain) != len(metadata.data) {
		t.Errorf("got %d and %d bytes", set.plain, metadata.plain)
	}
	// The registry has it then, by its digests.
	if again, _ := f.export(t, "cp", images); !bytes.Equal(again.data, set.data) {
		t.Errorf("got %d other bytes", len(again.data))
	}
}

func TestExportReportsErrors(t *testing.T) {
	f := start(t)
	f.exported(t)
	for _, each := range []struct{ uid, part, reason string }{
		{"cp", "shm", reasonNoPart},
		{"cp", "containers/app/../app/images", reasonNoPart},
		{"other", parts.Metadata, reasonNoCheckpoint},
		{"../cp", parts.Metadata, dump.ReasonInvalid},
	} {
		if _, reason := f.export(t, each.uid, each.part); reason != each.reason {
			t.Errorf("%s of %s: got %q, want %q", each.part, each.uid, reason, each.reason)
		}
	}
	must(t, os.Truncate(f.dir+"/checkpoints/cp/containers/app/images/inventory.img", 0))
	if got, reason := f.export(t, "cp", images); reason != reasonExport || got.plain == 0 {
		t.Errorf("a file that changed: got %q", reason)
	}
}

func TestStageRejectsInvalidContent(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	for name, each := range map[string]struct {
		pod, part, more string
		send            part
		reason          string
	}{
		"pod":      {"../x", parts.Metadata, "", metadata, dump.ReasonInvalid},
		"field":    {"pod", parts.Metadata, `,"path":"/"`, metadata, dump.ReasonInvalid},
		"negative": {"pod", parts.Metadata, `,"maxBytes":-1`, metadata, dump.ReasonInvalid},
		"empty":    {"pod", parts.Metadata, "", part{}, dump.ReasonInvalid},
		"large":    {"pod", parts.Metadata, "", part{data: make([]byte, 5<<20)}, dump.ReasonInvalid},
	} {
		if wanted, reason := f.stage(t, each.pod, each.part, each.send, each.more); wanted || reason != each.reason {
			t.Errorf("%s: wanted %v, reason %q", name, wanted, reason)
		}
	}
	f.wantStage(t, "pod", parts.Metadata, part{data: []byte("{}")}, "", true, reasonStage)
	f.wantStage(t, "pod", parts.Metadata, part{data: bytes.Replace(metadata.data, []byte(`"uid":"cp"`), []byte(`"uid":"no"`), 1)}, "", true, reasonStage)
	// Its two kilobytes of memory must fit.
	f.wantStage(t, "pod", parts.Metadata, metadata, `,"reserveBytes":4611686018427387904`, true, dump.ReasonNoSpace)
	if left, _ := os.ReadDir(f.dir + "/restore"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	f.wantStage(t, "pod", parts.Metadata, metadata, `,"maxBytes":1`, true, "")
	f.wantStage(t, "pod", images, part{data: set.data[:len(set.data)-1]}, "", true, reasonStage)
	f.wantStage(t, "pod", images, part{data: make([]byte, 2<<20)}, "", false, dump.ReasonInvalid)
	f.wantStage(t, "pod", "shm", set, "", false, reasonNoPart)
	f.call(t, "lay", layParams("pod"), reasonNotStaged)
	if left, _ := os.ReadDir(f.dir + "/restore"); len(left) > 0 {
		t.Errorf("an invalid staging is left: %v", left)
	}
	f.call(t, "lay", layParams("pod"), reasonNotStaged)
}

func TestMaxBytesLimitsTheCheckpoint(t *testing.T) {
	f := start(t)
	metadata, _ := f.exported(t)
	two := part{data: bytes.Replace(metadata.data, []byte(`"size":1,`), []byte(`"size":2,`), 1)}
	f.wantStage(t, "pod", parts.Metadata, two, `,"maxBytes":1`, true, dump.ReasonNoSpace)
	f.wantStage(t, "pod", parts.Metadata, two, `,"maxBytes":2`, true, "")
}

func TestAStreamThatBreaksLeavesNothing(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
	c := f.connect(t)
	c.send("s", "stage", fmt.Sprintf(`{"podUID":"pod","checkpoint":"cp","part":%q,"segments":[{"size":%d,"sha256":%q}]}`, images, len(set.data), set.sha256()))
	c.want("s", "")
	_, err := c.Write(set.data[:10])
	must(t, err)
	// While it is in flight, neither the part nor the pod can be used by another request.
	f.wantStage(t, "pod", images, set, "", false, reasonInUse)
	f.call(t, "lay", layParams("pod"), reasonInUse)
	f.call(t, "forgetPlan", `{"podUID":"pod"}`, reasonInUse)
	must(t, c.Conn.(*net.UnixConn).CloseWrite())
	c.want("s", reasonStage)
	f.wantStage(t, "pod", images, set, "", true, "")
	if left, _ := filepath.Glob(f.dir + "/restore/.staging-pod/.*"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestAPodThatStartedGetsNoPlan(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
	f.wantStage(t, "pod", images, set, "", true, "")
	must(t, plan.Decline(f.dir+"/restore", "pod", plan.Fresh, plan.ReasonNoPlan, "late", time.Unix(5, 0)))
	f.call(t, "lay", layParams("pod"), reasonStarted)
	f.wantStage(t, "pod", images, set, "", false, reasonStarted)
	if got := fmt.Sprint(f.call(t, "outcome", `{"podUID":"pod"}`, "")); !strings.Contains(got, "decision:fresh") || strings.Contains(got, "checkpoint") {
		t.Errorf("got %s", got)
	}
	f.call(t, "forgetPlan", `{"podUID":"pod"}`, "")
}

func TestADeclinedPodGetsNoPlan(t *testing.T) {
	for fallback, decision := range map[string]string{"": "fresh", `,"fallback":"fresh"`: "fresh", `,"fallback":"fail"`: "fail"} {
		f := start(t)
		metadata, set := f.exported(t)
		f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
		params := `{"podUID":"pod","reason":"CheckpointInvalid","message":"it is gone"` + fallback + `}`
		// A request whose response was lost is sent again.
		for range 2 {
			f.call(t, "decline", params, "")
		}
		got := fmt.Sprint(f.call(t, "outcome", `{"podUID":"pod"}`, ""))
		for _, want := range []string{"decision:" + decision, "reason:CheckpointInvalid", "message:it is gone", "decidedAt:20"} {
			if !strings.Contains(got, want) {
				t.Errorf("got %s without %s", got, want)
			}
		}
		if state := f.call(t, "state", "{}", ""); fmt.Sprint(state["stagings"]) != "[]" || fmt.Sprint(state["plans"]) != "[map[podUID:pod]]" {
			t.Errorf("got %v", state)
		}
		f.wantStage(t, "pod", images, set, "", false, reasonStarted)
		f.call(t, "lay", layParams("pod"), reasonStarted)
		f.call(t, "forgetPlan", `{"podUID":"pod"}`, "")
		if left, _ := os.ReadDir(f.dir + "/restore"); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
}

func TestDeclineLeavesAPlan(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
	f.wantStage(t, "pod", images, set, "", true, "")
	f.call(t, "lay", layParams("pod"), "")
	f.call(t, "decline", `{"podUID":"pod","reason":"A","message":""}`, reasonStarted)
	if got := fmt.Sprint(f.call(t, "outcome", `{"podUID":"pod"}`, "")); !strings.Contains(got, "checkpoint:cp") || !strings.Contains(got, "decision:]") {
		t.Errorf("got %s", got)
	}
}

func TestDeclineChecksItsParameters(t *testing.T) {
	f := start(t)
	for _, params := range []string{
		`{"podUID":"../pod","reason":"A","message":""}`, `{"podUID":"pod","reason":"","message":""}`, `{"podUID":"pod","reason":"a b","message":""}`,
		`{"podUID":"pod","reason":"A","message":"","fallback":"stop"}`, `{"podUID":"pod","reason":"A","message":"","path":"/"}`,
		`{"podUID":"pod","reason":"A","message":"` + strings.Repeat("x", declineMessageBytes+1) + `"}`,
	} {
		f.call(t, "decline", params, dump.ReasonInvalid)
	}
	if left, _ := os.ReadDir(f.dir + "/restore"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestLayChecksItsParametersBeforeWhatIsStaged(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
	f.wantStage(t, "pod", images, set, "", true, "")
	for _, replace := range [][2]string{{`"fallback":"fresh"`, `"fallback":"stop"`}, {`"restart":"fresh"`, `"restart":""`}, {`"pod"`, `"../pod"`}, {`"cp"`, `"plan.json"`}} {
		f.call(t, "lay", strings.Replace(layParams("pod"), replace[0], replace[1], 1), dump.ReasonInvalid)
	}
	f.call(t, "lay", layParams("pod"), "")
}

func TestLayComparesFilesThatItDidNotSeal(t *testing.T) {
	f := start(t)
	metadata, set := f.exported(t)
	f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
	f.wantStage(t, "pod", images, set, "", true, "")
	// As after a crash of the node: the same size, other content.
	must(t, os.WriteFile(f.dir+"/restore/.staging-pod/cp/containers/app/images/inventory.img", []byte("y"), 0o600))
	f.call(t, "lay", layParams("pod"), reasonNotStaged)
	f.wantStage(t, "pod", parts.Metadata, metadata, "", true, "")
	f.wantStage(t, "pod", images, set, "", true, "")
	f.call(t, "lay", layParams("pod"), "")
}

func TestAStopEndsAStreamThatTheClientDoesNotRead(t *testing.T) {
	f := start(t)
	f.exported(t)
	// More than the buffers of the socket hold, and of which zstd removes nothing.
	data := make([]byte, 8<<20)
	random := rand.New(rand.NewPCG(4, 4))
	for at := range data {
		data[at] = byte(random.Uint32())
	}
	directory := f.dir + "/checkpoints/cp/"
	text, err := os.ReadFile(directory + "checkpoint.json")
	must(t, err)
	text = regexp.MustCompile(`"size":1,"crc32c":"\w+"`).ReplaceAll(text, fmt.Appendf(nil, `"size":%d,"crc32c":"00000000"`, len(data)))
	must(t, os.WriteFile(directory+"checkpoint.json", text, 0o600), os.WriteFile(directory+images+"/inventory.img", data, 0o600))
	c := f.connect(t)
	c.send("e", "export", fmt.Sprintf(`{"uid":"cp","part":%q}`, images))
	c.want("e", "")
	f.stop()
	if read, err := io.Copy(io.Discard, c.lines); read >= int64(len(data)) {
		t.Errorf("read %d bytes, %v", read, err)
	}
}

func TestFullDisksHaveOneReason(t *testing.T) {
	for _, each := range []struct {
		err  error
		want string
	}{
		{&os.PathError{Err: unix.ENOSPC}, dump.ReasonNoSpace},
		{&dump.Error{Reason: reasonInUse, Err: unix.ENOSPC}, reasonInUse},
		{io.ErrUnexpectedEOF, reasonStage},
	} {
		if got := failureOf(failed(reasonStage, each.err)).Reason; got != each.want {
			t.Errorf("%v: got %s, want %s", each.err, got, each.want)
		}
	}
}
