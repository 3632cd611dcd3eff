package diagnose

import (
	"slices"
	"strings"

	"cedana.ai/cdk/runtime/internal/pattern"
)

// handler is a runtime handler of containerd.
type handler struct {
	name, binary string
	// annotations says that annotations of pods with our prefix are passed to the runtime.
	annotations bool
}

var (
	table = pattern.New(`^\s*\[plugins\.(?:"[^"]+"|'[^']+')\.containerd\.runtimes\.(?:"([^"]+)"|'([^']+)'|([A-Za-z0-9_-]+))(\.options)?\]\s*$`)
	key   = pattern.New(`^\s*([A-Za-z_]+)\s*=\s*(.*?)\s*$`)
	value = pattern.New(`'([^']*)'|"([^"]*)"`)
)

// handlers returns the runtime handlers in the output of `containerd config dump`, which writes one table or key a line.
func handlers(dump string) []handler {
	list := []handler{}
	at := -1
	for line := range strings.Lines(dump) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(strings.TrimSpace(line), "[") && strings.HasSuffix(strings.TrimSpace(line), "]") {
			at = -1
			if match := table().FindStringSubmatch(line); match != nil {
				name := match[1] + match[2] + match[3]
				at = slices.IndexFunc(list, func(each handler) bool { return each.name == name })
				if at < 0 {
					list = append(list, handler{name: name})
					at = len(list) - 1
				}
			}
			continue
		}
		match := key().FindStringSubmatch(line)
		if at < 0 || match == nil {
			continue
		}
		values := []string{}
		for _, each := range value().FindAllStringSubmatch(match[2], -1) {
			values = append(values, each[1]+each[2])
		}
		switch {
		case match[1] == "BinaryName" && len(values) == 1:
			list[at].binary = values[0]
		case match[1] == "pod_annotations":
			list[at].annotations = slices.Contains(values, "cedana.ai/*")
		}
	}
	return list
}
