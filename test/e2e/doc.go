// Package e2e drives the real pullway against real nodes and registries, as a
// user does: exit codes, outputs, and what is on the nodes afterwards. It needs
// root and what package lab needs, and the build tag e2e.
package e2e
