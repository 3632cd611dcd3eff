package probe

import "unsafe"

func uintptrOf(params *[120]byte) uintptr { return uintptr(unsafe.Pointer(params)) }
