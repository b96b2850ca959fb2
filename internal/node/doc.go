// Package node is the transaction on one node: lock, recheck, stage, check,
// back up, journal, swap, restart, health, prove, commit, or undo.
//
// The rule that makes it safe: before the first byte of a target changes, the
// journal on disk names every target and where its former state is kept. From
// then on, putting everything back needs nothing but the journal: each target
// is restored whether or not it had been reached, which is right either way.
// A crash at any moment leaves either no journal (nothing was touched), or one
// that Recover settles.
//
// Nothing is edited in place. A file is written beside its target under a
// temporary name, flushed, and renamed over it; a new host directory is built
// aside and renamed into place whole.
package node
