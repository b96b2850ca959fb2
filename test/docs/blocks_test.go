package docs

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
	case words[0] == "help" && len(args) <= 2:
		return help(t, args)
	case words[0] == "run" && len(args) > 1:
		return run(t, filepath.Join(root, args[0]), args[1:])
	case words[0] == "fields" && len(args) == 2:
		return fields(filepath.Join(root, args[0]), args[1])
	case words[0] == "file" && len(args) == 1:
		b, err := os.ReadFile(filepath.Join(root, args[0]))
		return fenced(strings.TrimPrefix(filepath.Ext(args[0]), "."), string(b)), err
	case words[0] == "cut" && len(args) == 2:
		return cut(filepath.Join(root, args[0]), args[1])
	case words[0] == "head" && len(args) == 1:
		b, err := os.ReadFile(filepath.Join(root, args[0]))
		if err != nil {
			return "", err
		}
		return head(string(b))
	case words[0] == "rows" && len(args) > 1:
		b, err := os.ReadFile(filepath.Join(root, args[0]))
		if err != nil {
			return "", err
		}
		return rows(string(b), args[1:])
	}
	return "", fmt.Errorf("no such kind of block, or not its arguments")
}

// run is what a command that asks nobody prints in a folder, below its own line.
// Findings, with exit code 3, are a result too.
func run(t *testing.T, dir string, args []string) (string, error) {
	before, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if err := os.Chdir(dir); err != nil {
		return "", err
	}
	defer func() {
		if err := os.Chdir(before); err != nil {
			t.Fatal(err)
		}
	}()
	var out, errs strings.Builder
	code := cli.Run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, nil)
	if code != cli.ExitDone && code != cli.ExitPending {
		return "", fmt.Errorf("ended with %d and said %q", code, errs.String())
	}
	return fenced("text", "$ pullway "+strings.Join(args, " ")+"\n"+out.String()+errs.String()), nil
}

// head is the first paragraph of a page that is neither heading nor comment.
func head(page string) (string, error) {
	for _, p := range strings.Split(page, "\n\n") {
		if p = strings.TrimSpace(p); p != "" && !strings.HasPrefix(p, "#") && !strings.HasPrefix(p, "<!--") {
			return p + "\n", nil
		}
	}
	return "", fmt.Errorf("the page has no paragraph")
}

// rows gives rows of the first table of a page, and of others with the same head, by
// the words in their first column, in the order asked for and without that column.
func rows(page string, ids []string) (string, error) {
	var table []string
	begins, takes := true, false
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "| ") {
			begins = true
			continue
		}
		if begins {
			takes = len(table) == 0 || line == table[0]
		}
		if takes {
			table = append(table, line)
		}
		begins = false
	}
	if len(table) < 3 {
		return "", fmt.Errorf("the page has no table")
	}
	cells := func(line string) (id, rest string) {
		id, rest, _ = strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		return id, "| " + rest
	}
	_, head := cells(table[0])
	_, rule := cells(table[1])
	out := head + rule
	for _, want := range ids {
		i := slices.IndexFunc(table[2:], func(line string) bool { id, _ := cells(line); return id == want })
		if i < 0 {
			return "", fmt.Errorf("no row %q", want)
		}
		_, row := cells(table[2+i])
		out += row
	}
	return out, nil
}

func TestRows(t *testing.T) {
	const page = "# Page\n\n| id | what |\n| --- | --- |\n| one | 1 |\n| two | 2 \\| 3 |\n\n| id | another |\n| --- | --- |\n| three | 3 |\n\n| id | what |\n| --- | --- |\n| four | 4 |\n"
	got, err := rows(page, []string{"two", "one", "four"})
	if want := "| what |\n| --- |\n| 2 \\| 3 |\n| 1 |\n| 4 |\n"; got != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	for _, wrong := range []string{"three", "on"} {
		if _, err := rows(page, []string{wrong}); err == nil {
			t.Errorf("row %q is found", wrong)
		}
	}
	if _, err := rows("no table", []string{"one"}); err == nil {
		t.Error("a page without a table has rows")
	}
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
