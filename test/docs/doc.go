// Package docs keeps the written pages true: what they quote is filled in from the
// programs and files that they speak of, and their links lead somewhere.
//
// A page has blocks of the form
//
//	<!-- begin KIND ARGUMENTS -->
//	...
//	<!-- end -->
//
// The test compares each block with what belongs there; "make generate" writes it.
// The kinds:
//
//	help COMMAND       what `pullway COMMAND --help` prints; no command is the root
//	run DIR ARGS       what `pullway ARGS` prints in a folder
//	fields DIR TYPE    the JSON fields of a Go type with their comments, as a table
//	file PATH          a file of the repository
//	cut PATH A-B,C-D   lines of a file, with a mark where lines were left out
//	head PATH          the first paragraph of a page, as it stands there
//	rows PATH ID…      rows of a page's first table, by the first column, which is left out
package docs

//go:generate go test -count=1 -run TestBlocks . -update
