package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPageIsFresh(t *testing.T) {
	root, err := findRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	want, err := render(root)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root, pageFile))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is stale, run go run ./internal/config/gen (-fresh +file):\n%s", pageFile, diff)
	}
}

func TestReadSpec(t *testing.T) {
	s, err := readSpec([]byte("package x\n\n// A is a group.\ntype A struct {\n" +
		"\t// Word is a word, with | in it.\n\t// Default: up.\n\tWord W `json:\"word,omitempty\"`\n" +
		"\t// All of them.\n\tAll []A `json:\"all\"`\n}\n\n// W is a word.\ntype W string\n\n// Words.\nconst (\n\tUp W = \"up\"\n\tDown W = \"down\"\n)\n"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(s.page("example: 1\n"))
	for _, want := range []string{
		"## A\n\nA is a group.\n",
		"| `word` | `up`, `down` | up | A word, with \\| in it. |\n",
		"| `all` | list of [A](#a) | required | All of them. |\n",
		"```yaml\nexample: 1\n```\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for reason, source := range map[string]string{
		"no comment":   "package x\ntype A struct {\n\tB string `json:\"b\"`\n}\n",
		"no JSON name": "package x\ntype A struct {\n\t// B.\n\tB string\n}\n",
		"no Go":        "nothing",
	} {
		if _, err := readSpec([]byte(source)); err == nil {
			t.Errorf("%s: no error", reason)
		}
	}
}
