package freezer

// FreezeOnce is one attempt of Freeze.
var FreezeOnce = freezeOnce
