package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxBytes is the largest spec that is read.
const MaxBytes = 1 << 20

// document parses bytes to the root node of the one YAML document in them. A
// byte order mark and \r\n are fine, and so is JSON.
func document(data []byte) (*yaml.Node, *Problem) {
	if len(data) > MaxBytes {
		return nil, &Problem{Text: fmt.Sprintf("is larger than %d bytes", MaxBytes)}
	}
	dec := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	var root *yaml.Node
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntaxProblem(err)
		}
		if len(doc.Content) != 1 || isNull(doc.Content[0]) {
			continue // an empty document, as a trailing --- makes one
		}
		if root != nil {
			return nil, &Problem{
				Line: doc.Content[0].Line, Column: doc.Content[0].Column,
				Text: "holds more than one document", Hint: "write one RegistryConfig with all registries",
			}
		}
		root = doc.Content[0]
	}
	if root == nil {
		return nil, &Problem{Text: "is empty", Hint: "pullway init writes a first one"}
	}
	return root, nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

var (
	yamlError = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	// quoted finds what the parser repeats of the file: a password that begins
	// with * is an unknown anchor.
	quoted = regexp.MustCompile(`'[^']{2,}'`)
)

// syntaxProblem makes one line of the parser's error.
func syntaxProblem(err error) *Problem {
	text := strings.Join(strings.Fields(err.Error()), " ")
	p := &Problem{Text: "is not YAML"}
	m := yamlError.FindStringSubmatch(text)
	if m == nil {
		return p
	}
	p.Line, _ = strconv.Atoi(m[1])
	if p.Line > 0 {
		p.Column = 1
	}
	p.Text = "is not YAML: " + quoted.ReplaceAllString(m[2], "'…'")
	switch {
	case strings.Contains(m[2], "cannot start any token") && strings.Contains(m[2], "character"):
		p.Hint = "indent with spaces, and put text that begins with @, % or ` in quotes"
	case strings.Contains(m[2], "unknown anchor"):
		p.Hint = "text that begins with * must stand in quotes"
	}
	return p
}
