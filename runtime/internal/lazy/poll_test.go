package lazy

import (
	"testing"
	"time"
)

func TestTheServerLooksForMemoryThatArrivesAlsoWhileCRIURestores(t *testing.T) {
	fault := []uint64{0x1000}
	for name, each := range map[string]struct {
		server server
		want   time.Duration
	}{
		"nothing to do":               {server{}, time.Minute + time.Millisecond},
		"a page that has not arrived": {server{processes: []*process{{retry: fault, waiting: 1}}}, arrivalPeriod},
		"a page that can be loaded":   {server{processes: []*process{{retry: fault}}}, 0},
		"no memory":                   {server{processes: []*process{{retry: fault, refused: 1}}}, memoryPeriod},
		"all restored, some to load":  {server{finished: true, processes: []*process{{}}}, 0},
		"all restored, none arrived":  {server{finished: true, starved: true, processes: []*process{{}}}, arrivalPeriod},
	} {
		t.Run(name, func(t *testing.T) {
			if got := each.server.pollTime(time.Hour); got != each.want {
				t.Errorf("got %v, want %v", got, each.want)
			}
		})
	}
}
