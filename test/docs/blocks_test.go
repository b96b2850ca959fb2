package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pullway/pullway/internal/cli"
)

var update = flag.Bool("update", false, "write the blocks in place of comparing them")

// root is the repository, seen from here.
const root = "../.."

var block = regexp.MustCompile(`(?s)<!-- begin ([^\n]*?) -->\n.*?<!-- end -->`)

func TestBlocks(t *testing.T) {
	filled := 0
	for _, page := range pages(t) {
		before, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		after := block.ReplaceAllStringFunc(string(before), func(old string) string {
			what := block.FindStringSubmatch(old)[1]
			filled++
			text, err := fill(t, strings.Fields(what))
			if err != nil {
				t.Errorf("%s: %s: %v", page, what, err)
				return old
			}
			return "<!-- begin " + what + " -->\n" + text + "<!-- end -->"
		})
		switch {
		case after == string(before):
		case *update:
			if err := os.WriteFile(page, []byte(after), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s is out of date, run make generate (-page +truth):\n%s", page, cmp.Diff(string(before), after))
		}
	}
	if filled < 10 {
		t.Errorf("only %d blocks were found", filled)
	}
}

func fill(t *testing.T, words []string) (string, error) {
	if len(words) == 0 {
		return "", fmt.Errorf("no kind")
	}
	args := words[1:]
	switch {
	case words[0] == "help" && len(args) <= 1:
		return help(t, args)
	case words[0] == "fields" && len(args) == 2:
		return fields(filepath.Join(root, args[0]), args[1])
	case words[0] == "file" && len(args) == 1:
		b, err := os.ReadFile(filepath.Join(root, args[0]))
		return fenced(strings.TrimPrefix(filepath.Ext(args[0]), "."), string(b)), err
	case words[0] == "cut" && len(args) == 2:
		return cut(filepath.Join(root, args[0]), args[1])
	}
	return "", fmt.Errorf("no such kind of block, or not its arguments")
}

func help(t *testing.T, command []string) (string, error) {
	var out, errs strings.Builder
	code := cli.Run(t.Context(), append(command, "--help"), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, nil)
	if code != 0 || errs.Len() > 0 {
		return "", fmt.Errorf("ended with %d and said %q", code, errs.String())
	}
	return fenced("text", out.String()), nil
}

// cut gives the lines of the ranges, and says how many were left out in between.
func cut(path, ranges string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	var out strings.Builder
	last := 0
	for _, r := range strings.Split(ranges, ",") {
		a, z, _ := strings.Cut(r, "-")
		from, err1 := strconv.Atoi(a)
		to, err2 := strconv.Atoi(z)
		if err1 != nil || err2 != nil || from <= last || to < from || to > len(lines) {
			return "", fmt.Errorf("%q is not a range of the %d lines after line %d", r, len(lines), last)
		}
		leftOut(&out, from-last-1)
		out.WriteString(strings.Join(lines[from-1:to], "\n") + "\n")
		last = to
	}
	leftOut(&out, len(lines)-last)
	return fenced("text", out.String()), nil
}

func leftOut(out *strings.Builder, lines int) {
	switch {
	case lines == 1:
		out.WriteString("[... 1 line ...]\n")
	case lines > 1:
		fmt.Fprintf(out, "[... %d lines ...]\n", lines)
	}
}

func fenced(language, text string) string {
	return "```" + language + "\n" + strings.TrimRight(text, "\n") + "\n```\n"
}

// pages are the Markdown files of the repository.
func pages(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) < 5 {
		t.Fatalf("only %d pages were found", len(all))
	}
	return all
}
