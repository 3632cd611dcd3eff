module cedana.ai/cdk/runtime

go 1.25.0

require (
	github.com/opencontainers/runtime-spec v1.3.0
	golang.org/x/sys v0.38.0
)

require github.com/klauspost/compress v1.20.4
