// Package strictjson reads JSON files that programs with root permissions act on.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// maxDepth bounds the nesting of objects and arrays. No file of this module has more than 6 levels.
const maxDepth = 32

// Decode reads exactly one JSON value of at most limit bytes into a struct pointer. It returns an error for unknown
// fields, for two keys of one object that differ at most in case, for null in place of the value, and for text after
// the value. encoding/json alone accepts the last three.
func Decode(r io.Reader, limit int64, into any) error {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return err
	}
	if int64(len(data)) > limit {
		return fmt.Errorf("JSON is larger than %d bytes", limit)
	}
	return Unmarshal(data, into)
}

// Unmarshal does what Decode does, with bytes that were read before.
func Unmarshal(data []byte, into any) error {
	if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
		return errors.New("JSON is null")
	}
	keys := json.NewDecoder(bytes.NewReader(data))
	if err := checkKeys(keys, 0); err != nil {
		return err
	}
	if _, err := keys.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text follows the JSON value")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// fold returns the same text for all names that encoding/json takes for one field: it compares them as strings.EqualFold
// does, for which also ſ and s, and the Kelvin sign and k are equal. Lower case is not enough.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

func checkKeys(decoder *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("JSON has more than %d levels", maxDepth)
	}
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	open, isDelimiter := token.(json.Delim)
	if !isDelimiter {
		return nil
	}
	seen := map[string]bool{}
	for decoder.More() {
		if open == '{' {
			key, err := decoder.Token()
			if err != nil {
				return err
			}
			// A key of an object is always a string.
			name, _ := key.(string)
			folded := fold(name)
			if seen[folded] {
				return fmt.Errorf("JSON has the key %q twice in one object", name)
			}
			seen[folded] = true
		}
		if err := checkKeys(decoder, depth+1); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}
