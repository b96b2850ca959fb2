package report

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/pullway/pullway/internal/doctor"
)

// rulesAddress is where the pages of the rules are.
const rulesAddress = "https://github.com/pullway/pullway/blob/main/docs/rules/"

// The part of SARIF 2.1.0 that is written
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind  string            `json:"columnKind"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string            `json:"id"`
		ShortDescription sarifText         `json:"shortDescription"`
		FullDescription  sarifText         `json:"fullDescription"`
		Help             sarifText         `json:"help"`
		HelpURI          string            `json:"helpUri"`
		Configuration    map[string]string `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

// SARIF writes the findings for programs that show them beside the files: places
// are paths of this machine, relative to the working directory where they are below it.
func SARIF(w io.Writer, d Doctor, version string) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "pullway doctor", Version: version, InformationURI: "https://github.com/pullway/pullway", Rules: []sarifRule{}}
	index := map[string]int{}
	for i, r := range doctor.Catalogue() {
		index[r.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: r.ID, ShortDescription: sarifText{r.Title}, FullDescription: sarifText{r.Cause}, Help: sarifText{r.Fix},
			HelpURI: rulesAddress + r.ID + ".md", Configuration: map[string]string{"level": sarifLevel(r.Severity)},
		})
	}
	call := sarifInvocation{ExecutionSuccessful: d.Summary.Failed+d.Summary.Unread == 0}
	for _, n := range d.Nodes {
		for _, u := range n.Unread {
			level := "error"
			if u.Outside {
				level = "note"
			}
			call.Notifications = append(call.Notifications, sarifNotification{level, sarifText{n.Name + ": " + u.File + " " + u.Text}})
		}
		if n.Error != nil {
			call.Notifications = append(call.Notifications, sarifNotification{"error", sarifText{n.Name + ": " + n.Error.Text}})
		}
		for _, f := range n.Findings {
			i, known := index[f.Rule]
			if !known {
				i = -1 // a node may say anything
			}
			run.Results = append(run.Results, n.sarif(f, i))
		}
	}
	run.Invocations = []sarifInvocation{call}
	return JSON(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func (n DoctorNode) sarif(f doctor.Finding, index int) sarifResult {
	r := sarifResult{RuleID: f.Rule, RuleIndex: index, Level: sarifLevel(f.Severity), Message: sarifText{n.Name + ": " + f.Text}}
	if !f.Now() {
		r.Level = "note"
		r.Message.Text += " (from containerd " + f.Since + " on)"
	}
	if f.Hint != "" {
		r.Message.Text += ". " + f.Hint
	}
	if f.File == "" {
		return r
	}
	var l sarifLocation
	l.Physical.Artifact.URI = n.uri(f.File)
	if f.Line > 0 {
		l.Physical.Region = &sarifRegion{f.Line, f.Column}
	}
	r.Locations = []sarifLocation{l}
	return r
}

// uri is a file as a relative reference where it is below the working directory.
func (n DoctorNode) uri(file string) string {
	if n.local != nil {
		if here := n.local(file); here != "" {
			file = here
		}
	}
	if filepath.IsAbs(file) {
		if dir, err := filepath.Abs("."); err == nil {
			if rel, err := filepath.Rel(dir, file); err == nil && !strings.HasPrefix(rel, "..") {
				file = rel
			}
		}
	}
	// The first element of a relative reference may hold no colon.
	u := url.URL{Path: filepath.ToSlash(file)}
	return u.String()
}

func sarifLevel(s doctor.Severity) string {
	switch s {
	case doctor.S1, doctor.S2, doctor.S3:
		return "error"
	case doctor.S4:
		return "warning"
	}
	return "note"
}
