package freezer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/freezer"
	"cedana.ai/cdk/runtime/internal/freezertest"
)

func TestFreezeStopsAllAndThawResumesAll(t *testing.T) {
	for version, parent := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			ctx := context.Background()
			one := freezertest.New(t, version, parent, fmt.Sprintf("freezer-test-%d-1", os.Getpid()))
			two := freezertest.New(t, version, parent, fmt.Sprintf("freezer-test-%d-2", os.Getpid()))
			all := []freezer.Cgroup{one.Cgroup, two.Cgroup}
			if err := freezer.Freeze(ctx, all); err != nil {
				t.Fatal(err)
			}
			for _, each := range []freezertest.Group{one, two} {
				each.Stands(t)
				if frozen, err := each.Frozen(); !frozen || err != nil {
					t.Errorf("got %v, %v", frozen, err)
				}
			}
			if err := freezer.Thaw(ctx, all); err != nil {
				t.Fatal(err)
			}
			for _, each := range []freezertest.Group{one, two} {
				each.Counts(t)
				if freezing, err := each.Freezing(); freezing || err != nil {
					t.Errorf("got %v, %v", freezing, err)
				}
			}
			if err := freezer.Thaw(ctx, all); err != nil {
				t.Errorf("a second thaw: %v", err)
			}
			// One cgroup is missing: the others must not stay frozen.
			missing := freezer.Cgroup{version, parent + "/freezer-test-missing"}
			if err := freezer.Freeze(ctx, []freezer.Cgroup{one.Cgroup, missing}); err == nil {
				t.Error("a missing cgroup is no error")
			}
			one.Counts(t)
			if err := freezer.Thaw(ctx, []freezer.Cgroup{missing, one.Cgroup}); err != nil {
				t.Errorf("thaw of a removed cgroup: %v", err)
			}
			expired, cancel := context.WithCancel(ctx)
			cancel()
			if err := freezer.Freeze(expired, all); err != nil && !strings.Contains(err.Error(), "canceled") {
				t.Errorf("got %v", err)
			} else if err == nil {
				// The kernel was faster than the first look at the context.
				if err := freezer.Thaw(ctx, all); err != nil {
					t.Error(err)
				}
			}
			one.Counts(t)
			two.Counts(t)
		})
	}
}

func TestFrozenParentIsNotTheOwnSetting(t *testing.T) {
	for version, root := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			parent := freezer.Cgroup{version, filepath.Join(root, fmt.Sprintf("freezer-test-%d-parent", os.Getpid()))}
			if err := os.Mkdir(parent.Path, 0o755); err != nil {
				t.Skipf("cannot create a cgroup: %v", err)
			}
			t.Cleanup(func() { _ = os.Remove(parent.Path) })
			child := freezertest.New(t, version, parent.Path, "child")
			ctx := context.Background()
			if err := freezer.Freeze(ctx, []freezer.Cgroup{parent}); err != nil {
				t.Fatal(err)
			}
			child.Stands(t)
			if freezing, err := child.Freezing(); freezing || err != nil {
				t.Errorf("got %v, %v", freezing, err)
			}
			if err := freezer.Thaw(ctx, []freezer.Cgroup{child.Cgroup}); err != nil {
				t.Errorf("thaw below a frozen parent: %v", err)
			}
			if err := freezer.Thaw(ctx, []freezer.Cgroup{parent}); err != nil {
				t.Error(err)
			}
			child.Counts(t)
		})
	}
}

func TestValidate(t *testing.T) {
	for _, each := range []freezer.Cgroup{
		{"v3", freezer.Root + "/x"}, {freezer.V1, freezer.Root}, {freezer.V1, "/etc"}, {freezer.V2, freezer.Root + "/../../etc"}, {freezer.V2, freezer.Root + "/x/"}, {freezer.V2, "sys/fs/cgroup/x"},
	} {
		if each.Validate() == nil {
			t.Errorf("%+v is accepted", each)
		}
	}
	if err := (freezer.Cgroup{freezer.V1, freezer.Root + "/freezer/kubepods/x"}).Validate(); err != nil {
		t.Error(err)
	}
}

func TestFrozenAgainWaitsForAThawAndAFreeze(t *testing.T) {
	for version, parent := range freezertest.Hierarchies(t) {
		t.Run(version, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			group := freezertest.New(t, version, parent, fmt.Sprintf("freezer-test-%d-again", os.Getpid()))
			all := []freezer.Cgroup{group.Cgroup}
			must := func(err error) {
				if err != nil {
					t.Fatal(err)
				}
			}
			must(freezer.Freeze(ctx, all))
			returned := make(chan error, 1)
			wait := func() { returned <- group.FrozenAgain(ctx) }
			// Other programs than this one do both.
			go wait()
			group.Stands(t)
			must(freezer.Thaw(ctx, all))
			group.Counts(t)
			if len(returned) > 0 {
				t.Error("it returned before the freeze")
			}
			must(freezer.Freeze(ctx, all))
			must(<-returned)
			go wait()
			cancel(errors.New("the program has ended"))
			if err := <-returned; err == nil || err.Error() != "the program has ended" {
				t.Errorf("got %v", err)
			}
		})
	}
}
