package report

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/doctor"
)

// TestSARIF holds the output against what SARIF 2.1.0 requires: the properties that
// the schema lists as required of each object that is written, and the values that it
// allows.
func TestSARIF(t *testing.T) {
	local := func(file string) string { return filepath.Join("nodes", "a b", file) }
	d := NewDoctor([]DoctorNode{
		NewDoctorNode("node1", doctor.Report{Release: "1.7.35", Findings: []doctor.Finding{
			{Rule: "CFG001", Severity: doctor.S2, File: "/etc/containerd/config.toml", Line: 3, Column: 5, Text: "text", Hint: "hint"},
			{Rule: "CFG015", Severity: doctor.S3, File: "/etc/containerd/config.toml", Line: 3, Text: "text", Since: "2.1"},
			{Rule: "HST010", Severity: doctor.S4, File: "/etc/containerd/certs.d/a:5000/hosts.toml", Text: "text"},
			{Rule: "RUN005", Severity: doctor.Advice, Text: "text\x1b[2J"},
		}, Unread: []doctor.Unread{{File: "/x", Text: "is a mystery"}}}, nil, local),
	})
	var b bytes.Buffer
	if err := SARIF(&b, d, "v1"); err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsRune(b.Bytes(), 0x1b) {
		t.Error("it drives a terminal")
	}
	var log map[string]any
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	if log["version"] != "2.1.0" {
		t.Errorf("version %v", log["version"])
	}
	run := list(t, log, "runs")[0]
	driver := object(t, object(t, run, "tool"), "driver")
	if driver["name"] == "" || !strings.HasPrefix(driver["informationUri"].(string), "https://") {
		t.Errorf("driver %v", driver["name"])
	}
	rules := list(t, driver, "rules")
	for _, r := range rules {
		for _, key := range []string{"shortDescription", "fullDescription", "help"} {
			if object(t, r, key)["text"] == "" {
				t.Errorf("%v has no %s", r["id"], key)
			}
		}
		level(t, object(t, r, "defaultConfiguration")["level"])
	}
	for _, i := range list(t, run, "invocations") {
		if i["executionSuccessful"] != false {
			t.Error("a file that could not be looked at is no success")
		}
		for _, n := range list(t, i, "toolExecutionNotifications") {
			level(t, n["level"])
			_ = object(t, n, "message")
		}
	}
	var uris []string
	for _, r := range list(t, run, "results") {
		level(t, r["level"])
		if object(t, r, "message")["text"] == "" {
			t.Error("a result without text")
		}
		if rule := rules[int(r["ruleIndex"].(float64))]; rule["id"] != r["ruleId"] {
			t.Errorf("index of %v leads to %v", r["ruleId"], rule["id"])
		}
		if _, some := r["locations"]; !some {
			continue
		}
		place := object(t, list(t, r, "locations")[0], "physicalLocation")
		uris = append(uris, object(t, place, "artifactLocation")["uri"].(string))
		if region, ok := place["region"].(map[string]any); ok && region["startLine"].(float64) < 1 {
			t.Errorf("region %v", region)
		}
	}
	want := "nodes/a%20b/etc/containerd/config.toml nodes/a%20b/etc/containerd/config.toml nodes/a%20b/etc/containerd/certs.d/a:5000/hosts.toml"
	if got := strings.Join(uris, " "); got != want {
		t.Errorf("uris %q, want %q", got, want)
	}
}

func object(t *testing.T, in map[string]any, key string) map[string]any {
	t.Helper()
	m, ok := in[key].(map[string]any)
	if !ok {
		t.Fatalf("no object %s in %v", key, in)
	}
	return m
}

func list(t *testing.T, in map[string]any, key string) (all []map[string]any) {
	t.Helper()
	values, ok := in[key].([]any)
	if !ok {
		t.Fatalf("no list %s in %v", key, in)
	}
	for _, v := range values {
		all = append(all, v.(map[string]any))
	}
	return all
}

func level(t *testing.T, v any) {
	t.Helper()
	switch v {
	case "none", "note", "warning", "error":
	default:
		t.Errorf("level %v", v)
	}
}
