package images

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// credentialsOf returns the credentials of a user, and more fields.
func credentialsOf(uid, gid uint64, more ...uint64) []byte {
	all := message(1, uid, 2, gid, 3, uid, 4, gid, 5, uid, 6, gid, 7, uid, 8, gid)
	return append(all, message(more...)...)
}

func coreOf(thread []byte) []byte {
	return image(coreMagic, appendBytes(appendBytes(message(1, 1), 3, message(1, 1)), 5, thread))
}

func TestCredentialsOfAThread(t *testing.T) {
	creds := credentialsOf(1000, 100, 9, 1, 9, 0, 10, 0x20, 10, 0, 11, 0x20, 12, 0xa80425fb, 12, 1, 13, 0, 14, 5, 14, 6, 18, 1, 19, 0, 19, 1)
	got, err := ReadCredentials(bytes.NewReader(coreOf(append(message(1, 0, 2, 0, 11, 2), appendBytes(nil, 10, creds)...))))
	want := &Credentials{
		UIDs: [4]uint32{1000, 1000, 1000, 1000}, GIDs: [4]uint32{100, 100, 100, 100}, Groups: []uint32{5, 6},
		Inheritable: 1, Permitted: 0x20, Effective: 0x20, Bounding: 0x1a80425fb, Ambient: 1 << 32,
		NoNewPrivileges: true, Seccomp: SeccompFilter,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAProcessThatHasEndedHasNoCredentials(t *testing.T) {
	for _, state := range []uint64{dead, zombie} {
		got, err := ReadCredentials(bytes.NewReader(image(coreMagic, appendBytes(nil, 3, message(1, state)))))
		if got != nil || err != nil {
			t.Errorf("got %+v, %v", got, err)
		}
	}
}

func TestCredentialsThatCanBeReadInTwoWaysAreInvalid(t *testing.T) {
	creds := credentialsOf(0, 0)
	thread := appendBytes(nil, 10, creds)
	task := appendBytes(nil, 3, message(1, 1))
	for name, file := range map[string][]byte{
		"another kind":                   image(filesMagic, appendBytes(task, 5, thread)),
		"no entry":                       image(coreMagic),
		"two entries":                    append(coreOf(thread), coreOf(thread)[8:]...),
		"two threads":                    image(coreMagic, appendBytes(appendBytes(task, 5, thread), 5, thread)),
		"two credentials":                coreOf(appendBytes(thread, 10, creds)),
		"no credentials":                 coreOf(message(1, 0)),
		"a running process without them": image(coreMagic, task),
		"two users":                      coreOf(appendBytes(nil, 10, append(creds, message(3, 0)...))),
		"no user":                        coreOf(appendBytes(nil, 10, message(2, 0, 3, 0))),
		"a large user":                   coreOf(appendBytes(nil, 10, credentialsOf(1<<32, 0))),
		"three words of capabilities":    coreOf(appendBytes(nil, 10, credentialsOf(0, 0, 12, 0, 12, 0, 12, 0))),
		"a large word of capabilities":   coreOf(appendBytes(nil, 10, credentialsOf(0, 0, 12, 1<<32))),
		"packed capabilities":            coreOf(appendBytes(nil, 10, appendBytes(creds, 12, []byte{1}))),
		"two modes of seccomp":           coreOf(append(append([]byte{}, thread...), message(11, 2, 11, 0)...)),
		"two flags no_new_privs":         coreOf(appendBytes(nil, 10, credentialsOf(0, 0, 18, 1, 18, 0))),
	} {
		if got, err := ReadCredentials(bytes.NewReader(file)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func FuzzReadCredentials(f *testing.F) {
	f.Add(coreOf(appendBytes(message(11, 2), 10, credentialsOf(1000, 100, 12, 1, 12, 0))))
	f.Fuzz(func(t *testing.T, file []byte) {
		credentials, err := ReadCredentials(bytes.NewReader(file))
		if err == nil && credentials == nil {
			return
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Error(err)
		}
	})
}
