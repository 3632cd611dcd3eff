package wrapper

// Runtime returns the path of the OCI runtime that the wrapper delegates to. The host service uses the same.
func (s System) Runtime() (string, error) { return s.realRuntime() }

// Installed returns the path of the installed program; "" if none is installed.
func (s System) Installed() string { return s.installed() }
