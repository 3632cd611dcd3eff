package images

import (
	"fmt"
	"io"
)

const coreMagic = 0x55053847

// States of a process that ended, but was not waited for (task_core_entry.task_state).
const (
	dead   = 2
	zombie = 6
)

// Modes of seccomp, as in linux/seccomp.h.
const (
	SeccompDisabled = 0
	SeccompFilter   = 2
)

// Credentials are those of a thread.
type Credentials struct {
	// UIDs and GIDs are the real, effective, saved one and that of the file system.
	UIDs, GIDs [4]uint32
	// Groups are the additional groups.
	Groups []uint32
	// The sets of capabilities, bit N is capability N.
	Inheritable, Permitted, Effective, Bounding, Ambient uint64
	NoNewPrivileges                                      bool
	// Seccomp is the mode.
	Seccomp uint64
}

// Numbers of the fields of creds_entry. The last number of a set of numbers is not part of it.
const (
	uidField, groupsField, newPrivilegesField = 1, 14, 18
)

// ReadCredentials reads core-TID.img, which describes a thread. It returns nil for a process that has ended: CRIU restores
// none of its credentials.
//
// It is strict where a reader of protocol buffers would choose or merge one of several values: the credentials that it returns
// are those that CRIU restores.
func ReadCredentials(from io.Reader) (*Credentials, error) {
	if err := readHead(from, coreMagic); err != nil {
		return nil, err
	}
	message, err := readEntry(from)
	if err != nil {
		return nil, fmt.Errorf("%w: it has no entry: %w", ErrFormat, err)
	}
	if _, err := readEntry(from); err != io.EOF {
		return nil, fmt.Errorf("%w: it has more than one entry", ErrFormat)
	}
	var task, thread, entry []byte
	if err := once(message, map[int]*[]byte{3: &task, 5: &thread}); err != nil {
		return nil, err
	}
	if thread == nil {
		var state uint64
		if err := numbers(task, map[int]*uint64{1: &state}); err != nil {
			return nil, err
		}
		if state != dead && state != zombie {
			return nil, fmt.Errorf("%w: a process in state %d has no credentials", ErrFormat, state)
		}
		return nil, nil
	}
	if err := once(thread, map[int]*[]byte{10: &entry}); err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, fmt.Errorf("%w: a thread has no credentials", ErrFormat)
	}
	credentials, err := readCredentials(entry)
	if err != nil {
		return nil, err
	}
	values, err := lists(thread, map[int]int{11: 1})
	if err != nil {
		return nil, err
	}
	if mode := values[11]; len(mode) > 0 {
		credentials.Seccomp = mode[0]
	}
	return credentials, nil
}

func readCredentials(entry []byte) (*Credentials, error) {
	// The most numbers of each field: identifiers, sets of capabilities of two words, groups (NGROUPS_MAX).
	most := map[int]int{groupsField: 65536, newPrivilegesField: 1}
	for i := uidField; i < uidField+8; i++ {
		most[i] = 1
	}
	for _, each := range []int{9, 10, 11, 12, 19} {
		most[each] = 2
	}
	values, err := lists(entry, most)
	if err != nil {
		return nil, err
	}
	credentials := &Credentials{}
	for i := range 4 {
		// They alternate: uid, gid, euid, egid, suid, sgid, fsuid, fsgid.
		for at, to := range []*uint32{&credentials.UIDs[i], &credentials.GIDs[i]} {
			value := values[uidField+2*i+at]
			if len(value) != 1 || value[0] > 1<<32-1 {
				return nil, fmt.Errorf("%w: identifiers are %v", ErrFormat, value)
			}
			*to = uint32(value[0])
		}
	}
	for _, each := range values[groupsField] {
		credentials.Groups = append(credentials.Groups, uint32(each))
	}
	for number, to := range map[int]*uint64{
		9: &credentials.Inheritable, 10: &credentials.Permitted, 11: &credentials.Effective, 12: &credentials.Bounding,
		19: &credentials.Ambient,
	} {
		for word, value := range values[number] {
			if value > 1<<32-1 {
				return nil, fmt.Errorf("%w: a set of capabilities has the word %#x", ErrFormat, value)
			}
			*to |= value << (32 * word)
		}
	}
	if flag := values[newPrivilegesField]; len(flag) > 0 {
		credentials.NoNewPrivileges = flag[0] != 0
	}
	return credentials, nil
}

// once reads messages in a message into the variables of their field numbers. Each may occur once.
func once(message []byte, into map[int]*[]byte) error {
	return eachField(message, func(each field) error {
		to := into[each.number]
		if to == nil {
			return nil
		}
		if each.kind != bytesType || *to != nil {
			return fmt.Errorf("%w: field %d is no message, or occurs twice", ErrFormat, each.number)
		}
		*to = each.bytes
		return nil
	})
}

// lists reads the numbers of fields, up to the given count of each.
func lists(message []byte, most map[int]int) (map[int][]uint64, error) {
	values := map[int][]uint64{}
	return values, eachField(message, func(each field) error {
		limit, known := most[each.number]
		if !known {
			return nil
		}
		if each.kind != varintType || len(values[each.number]) == limit {
			return fmt.Errorf("%w: field %d is no number, or has more than %d", ErrFormat, each.number, limit)
		}
		values[each.number] = append(values[each.number], each.value)
		return nil
	})
}
