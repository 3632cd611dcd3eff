package images

import (
	"encoding/binary"
	"fmt"
)

// Types of a field on the wire.
const (
	varintType  = 0
	fixed64Type = 1
	bytesType   = 2
	fixed32Type = 5
)

// field is one field of a message.
type field struct {
	number int
	kind   int
	// value is that of a number.
	value uint64
	// bytes are the content of a field of bytesType.
	bytes []byte
	// raw is the whole field, with its tag.
	raw []byte
}

// maxField is the largest number of a field (the specification of the wire format).
const maxField = 1<<29 - 1

// eachField calls a function for each field of a message, in their order.
func eachField(message []byte, call func(field) error) error {
	for len(message) > 0 {
		tag, size := binary.Uvarint(message)
		if size <= 0 || tag>>3 == 0 || tag>>3 > maxField {
			return fmt.Errorf("%w: a field has no valid tag", ErrFormat)
		}
		each := field{number: int(tag >> 3), kind: int(tag & 7)}
		rest, length := message[size:], 0
		switch each.kind {
		case varintType:
			each.value, length = binary.Uvarint(rest)
		case fixed64Type:
			if length = 8; len(rest) >= length {
				each.value = binary.LittleEndian.Uint64(rest)
			}
		case fixed32Type:
			if length = 4; len(rest) >= length {
				each.value = uint64(binary.LittleEndian.Uint32(rest))
			}
		case bytesType:
			count, prefix := binary.Uvarint(rest)
			if prefix <= 0 || count > uint64(len(rest)-prefix) {
				return fmt.Errorf("%w: field %d is longer than its message", ErrFormat, each.number)
			}
			length = prefix + int(count)
			each.bytes = rest[prefix:length]
		}
		if length <= 0 || length > len(rest) {
			return fmt.Errorf("%w: field %d is not complete, or of type %d", ErrFormat, each.number, each.kind)
		}
		each.raw = message[:size+length]
		if err := call(each); err != nil {
			return err
		}
		message = message[size+length:]
	}
	return nil
}

// numbers reads the fields of a message that are numbers into the variables of their field numbers.
func numbers(message []byte, into map[int]*uint64) error {
	return eachField(message, func(each field) error {
		if to := into[each.number]; to != nil {
			if each.kind != varintType {
				return fmt.Errorf("%w: field %d is no number", ErrFormat, each.number)
			}
			*to = each.value
		}
		return nil
	})
}

// appendBytes appends a field of bytesType to a message.
func appendBytes(message []byte, number int, content []byte) []byte {
	message = binary.AppendUvarint(message, uint64(number)<<3|bytesType)
	message = binary.AppendUvarint(message, uint64(len(content)))
	return append(message, content...)
}
