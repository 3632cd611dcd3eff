package restore

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"cedana.ai/cdk/runtime/internal/checkpoint"
	"cedana.ai/cdk/runtime/internal/files"
	"cedana.ai/cdk/runtime/internal/plan"
	"golang.org/x/sys/unix"
)

// Images with a FIFO of the volume, one of it that was deleted, and one of the root file system: numbers 7, 8 and 9.
const (
	fifosOpen = "\x19\x43\x56\x54\x38\x31\x30\x56" +
		"\x14\x00\x00\x00\x08\x01\x10\x01\x1a\x0e\x08\x01\x32\x0a/data/pipe" +
		"\x17\x00\x00\x00\x08\x01\x10\x02\x1a\x11\x08\x02\x32\x0d/data/deleted" +
		"\x12\x00\x00\x00\x08\x01\x10\x03\x1a\x0c\x08\x03\x32\x08/run/own" +
		"\x0d\x00\x00\x00\x08\x03\x10\x04\x8a\x01\x06\x08\x04\x10\x07\x18\x01" +
		"\x0d\x00\x00\x00\x08\x03\x10\x05\x8a\x01\x06\x08\x05\x10\x08\x18\x02" +
		"\x0d\x00\x00\x00\x08\x03\x10\x06\x8a\x01\x06\x08\x06\x10\x09\x18\x03"
	fifoHead        = "\x19\x43\x56\x54\x54\x30\x33\x59"
	ofPipe          = "\x04\x00\x00\x00\x08\x07\x10\x0339\n"
	ofDeletedAndOwn = "\x04\x00\x00\x00\x08\x08\x10\x01d" + "\x04\x00\x00\x00\x08\x09\x10\x01o"
)

// layFIFOs lays a plan whose containers have these FIFOs open, for a runtime that copies fifo-data.img as CRIU has it. The
// configuration of the containers names the directory of the volume so.
func layFIFOs(t *testing.T, destination string) *fixture {
	t.Helper()
	images := map[string]string{filesImage: fifosOpen, fifoImage: fifoHead + ofPipe + ofDeletedAndOwn}
	volume := filepath.Join(t.TempDir(), "volume")
	must(t, os.Mkdir(volume, 0o700))
	must(t, unix.Mkfifo(filepath.Join(volume, "pipe"), 0o600))
	var archive bytes.Buffer
	_, err := files.Pack(volume, &archive, files.PackOptions{})
	must(t, err)
	runtime := `images=$(echo "$@" | sed 's/.*--image-path \([^ ]*\).*/\1/'); for id; do :; done; cp "$images/fifo-data.img" "$(dirname "$0")/seen-$id"`
	var p *plan.Plan
	var c *checkpoint.Checkpoint
	f := lay(t, runtime, func(laid *plan.Plan, of *checkpoint.Checkpoint) { p, c = laid, of })
	for i, container := range c.Containers {
		c.Containers[i].Mounts[1].Destination = destination
		f.specs[container.Name].Mounts[1].Destination = destination
	}
	inside := filepath.Join(f.request.Plans, "pod-1/cp")
	root, err := os.OpenRoot(inside)
	must(t, err)
	defer root.Close()
	replace := func(name string, text []byte) checkpoint.Archive {
		must(t, os.WriteFile(filepath.Join(inside, name), text, 0o600))
		stored, err := checkpoint.ArchiveOf(root, name)
		must(t, err)
		return stored
	}
	c.Volumes[0].Archive = replace("volumes/data.tar", archive.Bytes())
	for i, container := range c.Containers {
		for name, text := range images {
			written := replace(filepath.Join(checkpoint.Containers, container.Name, checkpoint.Images, name), []byte(text))
			c.Containers[i].Files = append(c.Containers[i].Files, checkpoint.FileEntry{Path: "images/" + name, Archive: written})
		}
	}
	must(t, root.Remove("checkpoint.json"))
	must(t, checkpoint.Write(root, c))
	must(t, os.Remove(filepath.Join(f.request.Plans, "pod-1/plan.json")))
	must(t, plan.Write(filepath.Join(f.request.Plans, "pod-1"), *p))
	return f
}

// seen returns fifo-data.img as the runtime had it for a container ID.
func (f *fixture) seen(t *testing.T, id string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.directory, "seen-"+id))
	must(t, err)
	return string(text)
}

func TestTheContentOfASharedFIFOIsRestoredOnce(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: images are mounted")
	}
	// CRIU has the path of the mount, /data, and not the one with a link of the image.
	for _, destination := range []string{"/data", "/srv/data"} {
		t.Run(destination, func(t *testing.T) { restoresContentOnce(t, layFIFOs(t, destination)) })
	}
}

func restoresContentOnce(t *testing.T, f *fixture) {
	for _, id := range []string{"1", "2"} {
		root := filepath.Join(f.directory, "bundle-"+id, "rootfs")
		must(t, os.MkdirAll(filepath.Join(root, "data"), 0o700))
		must(t, os.Symlink("/", filepath.Join(root, "srv")))
	}
	f.expect(t, "other", "1", Restored)
	if got := f.seen(t, "1"); got != fifoHead+ofPipe+ofDeletedAndOwn {
		t.Errorf("the first container has %q", got)
	}
	f.expect(t, "app", "2", Restored)
	if got := f.seen(t, "2"); got != fifoHead+ofDeletedAndOwn {
		t.Errorf("the second container has %q", got)
	}
	verified := filepath.Join(f.request.Plans, "pod-1/cp/containers/app/images", fifoImage)
	if text, err := os.ReadFile(verified); err != nil || string(text) != fifoHead+ofPipe+ofDeletedAndOwn {
		t.Errorf("the verified image is %q, %v", text, err)
	}
}

func TestTheContentOfASharedFIFOIsRestoredAgainAfterAnInterruptedRestore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: images are mounted")
	}
	f := layFIFOs(t, "/data")
	f.expect(t, "app", "1", Restored)
	// It was not started: containerd creates it again.
	f.expect(t, "app", "2", Restored)
	if got := f.seen(t, "2"); got != fifoHead+ofPipe+ofDeletedAndOwn {
		t.Errorf("the container has %q", got)
	}
	f.expect(t, "other", "3", Restored)
	if got := f.seen(t, "3"); got != fifoHead+ofDeletedAndOwn {
		t.Errorf("the second container has %q", got)
	}
}
