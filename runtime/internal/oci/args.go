// Package oci reads how containerd's shim calls an OCI runtime: the command line and the bundle's config.json.
package oci

import "strings"

// Call is a command line of an OCI runtime in the form of runc, as containerd's shim and its library go-runc write it:
//
//	runc [global options] COMMAND [options] ID
type Call struct {
	// Global are the options before the command, unchanged.
	Global []string
	// Root is the value of --root: the directory with the state of containers; empty for the runtime's default.
	Root string
	// Log is the value of --log: where the runtime writes its errors; empty for stderr.
	Log string
	// LogFormat is the value of --log-format: text or json; empty for text.
	LogFormat string
	// SystemdCgroup says that --systemd-cgroup is given: cgroupsPath is SLICE:PREFIX:NAME.
	SystemdCgroup bool
	// Command is the verb: create, start, kill, ...
	Command string
	// Bundle, PIDFile and ConsoleSocket are options of create; empty if not given.
	Bundle, PIDFile, ConsoleSocket string
	// NoPivot says that --no-pivot is given.
	NoPivot bool
	// ID is the container's ID: the last argument, but for the signal of kill.
	ID string
	// Signal is the signal of kill, as a number or a name; empty for the runtime's default.
	Signal string
}

// flagKind says whether an option has a value. The tables hold what runc 1.1 to 1.5 accept and go-runc writes.
type flagKind int

const (
	unknown flagKind = iota
	isSwitch
	hasValue
)

var globalFlags = map[string]flagKind{
	"root": hasValue, "log": hasValue, "log-format": hasValue, "rootless": hasValue, "criu": hasValue,
	"debug": isSwitch, "systemd-cgroup": isSwitch,
}

// commandFlags has the commands that the wrapper acts on. Any other command is passed through without being read.
var commandFlags = map[string]map[string]flagKind{
	"create": {
		"bundle": hasValue, "b": hasValue, "pid-file": hasValue, "console-socket": hasValue, "preserve-fds": hasValue,
		"no-pivot": isSwitch, "no-new-keyring": isSwitch,
	},
	"start":  {},
	"kill":   {"all": isSwitch, "a": isSwitch},
	"delete": {"force": isSwitch, "f": isSwitch},
}

// Parse reads a command line without the program's name. It returns false for a command line that the wrapper does not
// act on: another command, an option that is not known, or no valid ID. Such a call belongs to the real runtime unchanged.
func Parse(args []string) (Call, bool) {
	var call Call
	rest, valid := options(args, globalFlags, func(name, value string) {
		switch name {
		case "root":
			call.Root = value
		case "log":
			call.Log = value
		case "log-format":
			call.LogFormat = value
		case "systemd-cgroup":
			call.SystemdCgroup = value != "false"
		}
	})
	if !valid || len(rest) == 0 {
		return Call{}, false
	}
	call.Global, call.Command = args[:len(args)-len(rest)], rest[0]
	flags, known := commandFlags[call.Command]
	if !known {
		return Call{}, false
	}
	preserved := false
	rest, valid = options(rest[1:], flags, func(name, value string) {
		switch name {
		case "bundle", "b":
			call.Bundle = value
		case "pid-file":
			call.PIDFile = value
		case "console-socket":
			call.ConsoleSocket = value
		case "no-pivot":
			call.NoPivot = value != "false"
		case "preserve-fds":
			preserved = value != "0"
		}
	})
	if call.Command == "kill" && len(rest) == 2 {
		rest, call.Signal = rest[:1], rest[1]
	}
	// A restore cannot hand over more file descriptors: their owner would miss them.
	if !valid || preserved || len(rest) != 1 || !IsID(rest[0]) {
		return Call{}, false
	}
	call.ID = rest[0]
	return call, true
}

// IsID says if a string is a container ID that is safe as a file name: what runc accepts, but for "." and "..", in at
// most 255 bytes.
func IsID(text string) bool {
	// A regular expression would be compiled at each start of the program.
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', strings.IndexByte("_+.-", c) >= 0:
		default:
			return false
		}
	}
	return text != "" && len(text) <= 255 && text != "." && text != ".."
}

// options reads options until the first argument that is none, and returns the arguments from there on. It returns false
// at an option that the table does not have, or that lacks its value.
func options(args []string, table map[string]flagKind, set func(name, value string)) ([]string, bool) {
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			return args[1:], true
		}
		if len(arg) < 2 || arg[0] != '-' {
			return args, true
		}
		name, value, inline := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		args = args[1:]
		switch table[name] {
		case isSwitch:
			set(name, value)
		case hasValue:
			if !inline {
				if len(args) == 0 {
					return nil, false
				}
				value, args = args[0], args[1:]
			}
			set(name, value)
		default:
			return nil, false
		}
	}
	return nil, true
}
