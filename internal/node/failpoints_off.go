//go:build !failpoints

package node

// instrument does nothing: an engine for users has no failpoints.
func instrument(*Engine) {}
