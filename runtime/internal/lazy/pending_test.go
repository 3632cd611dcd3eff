package lazy

import (
	"math/rand/v2"
	"testing"

	"cedana.ai/cdk/runtime/internal/images"
)

// model has the place in the file of each page.
type model map[uint64]int64

func modelOf(of pending) model {
	pages := model{}
	for _, each := range of {
		for address := each.Start; address < each.End; address++ {
			pages[address] = each.Offset + int64(address-each.Start)
		}
	}
	return pages
}

// Addresses are small numbers, and a page is one: the operations do not depend on the size of pages.
func TestPendingIsWhatPagesSay(t *testing.T) {
	const top = 60
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		ranges, at := pending{}, uint64(0)
		for at < top {
			start := at + random.Uint64N(5)
			end := start + 1 + random.Uint64N(8)
			ranges = append(ranges, images.Range{Start: start, End: end, Offset: int64(random.Uint64N(1000))})
			at = end
		}
		pages := modelOf(ranges)
		for range 10 {
			start := random.Uint64N(top)
			length := random.Uint64N(12)
			switch random.IntN(3) {
			case 0:
				dropped := modelOf(ranges.drop(start, start+length))
				for address := start; address < start+length; address++ {
					before, found := pages[address]
					if after, now := dropped[address]; found != now || before != after {
						t.Fatalf("page %d was dropped as %d, %t; it was %d, %t", address, after, now, before, found)
					}
					delete(pages, address)
				}
			case 1:
				to := random.Uint64N(top)
				// mremap(2) moves to an area that does not overlap.
				if to < start+length && start < to+length {
					continue
				}
				ranges.move(start, to, length)
				for i := range length {
					delete(pages, to+i)
					if place, found := pages[start+i]; found {
						pages[to+i] = place
						delete(pages, start+i)
					}
				}
			case 2:
				found, exists := ranges.find(start)
				place, want := pages[start]
				if exists != want || exists && (found.Start != start || found.Offset != place) {
					t.Fatalf("page %d is %+v, %t, not %d, %t", start, found, exists, place, want)
				}
			}
			now := modelOf(ranges)
			if len(now) != len(pages) || ranges.bytes() != int64(len(pages)) {
				t.Fatalf("%d pages in %+v, not %d", len(now), ranges, len(pages))
			}
			for address, place := range pages {
				if now[address] != place {
					t.Fatalf("page %d is at %d, not %d", address, now[address], place)
				}
			}
			for i := 1; i < len(ranges); i++ {
				if ranges[i-1].End > ranges[i].Start || ranges[i].Start >= ranges[i].End {
					t.Fatalf("not sorted: %+v", ranges)
				}
			}
		}
	}
}

func TestAChildMissesNothingOfMappingsThatAreCleared(t *testing.T) {
	ranges := pending{{Start: 1, End: 3}, {Start: 3, End: 6, Offset: 2, Wiped: true}, {Start: 8, End: 9, Offset: 9}}
	// The advice moves with the mapping.
	ranges.move(4, 20, 1)
	child := ranges.inherited()
	for address, want := range map[uint64]bool{1: true, 2: true, 3: false, 4: false, 5: false, 8: true, 20: false} {
		if _, missing := child.find(address); missing != want {
			t.Errorf("page %d is missing in the child: %t", address, missing)
		}
	}
	if found, missing := ranges.find(20); !missing || found.Offset != 3 {
		t.Errorf("the parent misses %+v, %t at its new place", found, missing)
	}
}
