package wrapper

// Runtime returns the path of the OCI runtime that the wrapper delegates to. The host service uses the same.
func (s System) Runtime() (string, error) { return s.realRuntime() }
