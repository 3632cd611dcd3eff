package restore

import (
	"maps"
	"net/netip"
	"strings"
	"testing"
)

func TestAnAddressIsReplacedByTheOneOfItsFamily(t *testing.T) {
	for _, each := range []struct{ before, after, want string }{
		{"10.0.0.1", "10.0.0.2", "10.0.0.1=10.0.0.2"},
		{"10.0.0.1", "10.0.0.1", ""},
		{"10.0.0.1 fd00::1", "fd00::2 10.0.0.2", "10.0.0.1=10.0.0.2 fd00::1=fd00::2"},
		{"10.0.0.1 fd00::1", "10.0.0.2", "10.0.0.1=10.0.0.2"},
		{"10.0.0.1 10.0.0.3", "10.0.0.2 10.0.0.4", ""},
		{"10.0.0.1", "10.0.0.2 10.0.0.4", ""},
		{"", "10.0.0.2", ""},
	} {
		after, want := []netip.Addr{}, map[netip.Addr]netip.Addr{}
		for _, text := range strings.Fields(each.after) {
			after = append(after, netip.MustParseAddr(text))
		}
		for _, text := range strings.Fields(each.want) {
			from, to, _ := strings.Cut(text, "=")
			want[netip.MustParseAddr(from)] = netip.MustParseAddr(to)
		}
		if got := replacements(strings.Fields(each.before), after); !maps.Equal(got, want) {
			t.Errorf("%+v: got %v", each, got)
		}
	}
}
