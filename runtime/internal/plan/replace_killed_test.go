package plan

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestMain replaces a plan when a test starts this program so: replace BASE DIRECTORY.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "replace" {
		if err := replaceOnce(os.Args[2], os.Args[3]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func replaceOnce(base, directory string) error {
	pod, err := Open(base, "pod-1")
	if err != nil {
		return err
	}
	defer pod.Close()
	old, err := pod.Read()
	if err != nil {
		return err
	}
	if target, moved := pod.Moved(filepath.Base(directory)); moved {
		directory = target
	}
	text, err := Prepare(directory, *old)
	if err != nil {
		return err
	}
	if err := pod.Reserve(); err != nil {
		return err
	}
	return pod.Replace(directory, text)
}

// The test of the steps has each moment between two of them. This one has those inside of a step.
func TestAReplaceThatIsKilledLeavesAWholePlan(t *testing.T) {
	const rounds = 30
	seed := uint64(7)
	random := rand.New(rand.NewPCG(seed, seed))
	seen := map[string]int{}
	for round := range rounds {
		base, path := lay(t, func(p *Plan) { p.Restart = RestartAgain })
		directory := newer(t, path)
		command := exec.Command(os.Args[0], "replace", base, directory)
		must(t, command.Start())
		time.Sleep(time.Duration(random.Int64N(int64(50 * time.Millisecond))))
		_ = command.Process.Kill()
		_ = command.Wait()
		plan, pages := found(t, base)
		want := map[string]string{"cp": "pages", "newer": "newer pages"}[plan.Checkpoint]
		if pages != want {
			t.Fatalf("round %d: the plan of %s has %q", round, plan.Checkpoint, pages)
		}
		seen[plan.Checkpoint]++
		must(t, replaceOnce(base, directory))
		if names := checkpointsIn(t, path); !slices.Equal(names, []string{"newer"}) {
			t.Fatalf("round %d: there are %q", round, names)
		}
	}
	t.Logf("the plan was the old one or the new one: %v", seen)
}
