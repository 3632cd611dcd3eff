package service

import (
	"strings"
	"testing"

	"cedana.ai/cdk/runtime/internal/dump"
)

func TestUsageIsThatOfPodsOfThisNode(t *testing.T) {
	f := start(t)
	result := f.call(t, "usage", `{"podUIDs":["pod","2b0f5b0e-6d0c-4b52-9f3e-3f3c8e1f7a10"]}`, "")
	if memory, found := result["memory"].(map[string]any); !found || len(memory) != 0 {
		t.Errorf("got %v", result)
	}
	f.call(t, "usage", `{}`, "")
	f.call(t, "usage", `{"podUIDs":["../x"]}`, dump.ReasonInvalid)
	f.call(t, "usage", `{"podUIDs":[""]}`, dump.ReasonInvalid)
	f.call(t, "usage", `{"pods":[]}`, dump.ReasonInvalid)
	most := strings.Repeat(`"p",`, usagePods)
	f.call(t, "usage", `{"podUIDs":[`+most[:len(most)-1]+`]}`, "")
	f.call(t, "usage", `{"podUIDs":[`+most+`"p"]}`, dump.ReasonInvalid)
}
