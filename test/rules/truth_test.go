package rules

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	all, err := Load("../../internal/doctor/testdata")
	if err != nil {
		t.Fatal(err)
	}
	table := NewTable(all)
	table.Put("HST003/bad", "1.7.35", "pulled; asked http://mirror.example.com:5000, https://registry.example.com")
	table.Put("HST003/bad", "1.6.20", "pulled; asked https://registry.example.com")
	text := table.Text()
	var row string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "HST003 ") {
			row = line
		}
		if len(line) > 180 || strings.HasSuffix(line, " \n") {
			t.Errorf("too long, or a blank at its end: %q", line)
		}
	}
	if !strings.Contains(row, "*pulled: upstream  ") || !strings.Contains(row, "pulled: mirror, upstream") {
		t.Errorf("row %q in\n%s", row, text)
	}
	if !strings.Contains(text, "RULE") || !strings.HasSuffix(text, "\n") {
		t.Errorf("%s", text)
	}
}
