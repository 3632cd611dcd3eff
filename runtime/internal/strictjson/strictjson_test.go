package strictjson

import (
	"encoding/json"
	"strings"
	"testing"
)

type sample struct {
	Name  string         `json:"name"`
	Items []int          `json:"items"`
	Map   map[string]int `json:"map"`
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"a","items":[1]}`:            "",
		` {"name":"a"} ` + "\n":               "",
		`{"name":"a","map":{"x":1,"y":2}}`:    "",
		`{"name":"a","name":"b"}`:             "twice",
		`{"name":"a","NAME":"b"}`:             "twice",
		`{"itemſ":[2],"items":[1]}`:           "twice",
		`{"name":"a","Key":1,"key":1}`:        "twice",
		`{"map":{"x":1,"x":2}}`:               "twice",
		`{"name":"a","more":1}`:               "unknown field",
		`{"name":"a"} {}`:                     "follows",
		`{"name":"a"} x`:                      "follows",
		`{"name":"a"`:                         "EOF",
		`null`:                                "null",
		`[]`:                                  "cannot unmarshal",
		``:                                    "EOF",
		`{"name":1}`:                          "cannot unmarshal",
		`{"items":` + strings.Repeat("[", 40): "levels",
		`{"name":"` + strings.Repeat("x", 200) + `"}`:          "larger than",
		`{"items":[` + strings.Repeat(`1,`, 20) + `"1"` + `]}`: "cannot unmarshal",
	} {
		var into sample
		err := Decode(strings.NewReader(text), 150, &into)
		if want == "" && err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got error %v, want one with %q", text, err, want)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"name":"a","items":[1,2],"map":{"x":1}}`))
	f.Add([]byte(`{"a":{"b":[null,true,{"c":"d"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var into sample
		if Unmarshal(data, &into) != nil {
			return
		}
		// What is accepted has no two keys for one field, at any depth.
		var keys map[string]json.RawMessage
		if err := json.Unmarshal(data, &keys); err != nil {
			t.Fatalf("accepted %q: %v", data, err)
		}
		for one := range keys {
			for other := range keys {
				if one != other && strings.EqualFold(one, other) {
					t.Fatalf("accepted %q with the keys %q and %q", data, one, other)
				}
			}
		}
	})
}
