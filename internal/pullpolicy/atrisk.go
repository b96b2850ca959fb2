package pullpolicy

import (
	"encoding/json"
	"fmt"
	"strings"
)

// AssessSchema is the document that AtRisk reads.
const AssessSchema = "pullway.dev/assess/v1"

// AtRisk reads the result of `pullway assess -o json` and gives the workloads that
// a freeze may help: those with a container that has Always and whose verdict is
// not safe. others are workloads at risk of a kind that is not known here, as
// NAMESPACE/KIND/NAME. The document is looked at for these fields alone.
func AtRisk(document []byte) (refs []Ref, others []string, err error) {
	var a struct {
		Schema    string `json:"schema"`
		Workloads []struct {
			Namespace string `json:"namespace"`
			Kind      string `json:"kind"`
			Name      string `json:"name"`
			Verdict   string `json:"verdict"`
			Images    []struct {
				Policy  string `json:"policy"`
				Verdict string `json:"verdict"`
			} `json:"images"`
		} `json:"workloads"`
	}
	if err := json.Unmarshal(document, &a); err != nil {
		return nil, nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if a.Schema != AssessSchema {
		return nil, nil, fmt.Errorf("its schema is %q, not %s", a.Schema, AssessSchema)
	}
	for _, w := range a.Workloads {
		risky := false
		for _, i := range w.Images {
			risky = risky || i.Policy == "Always" && i.Verdict != "safe"
		}
		if !risky || w.Verdict == "safe" {
			continue
		}
		kind := strings.TrimPrefix(strings.ToLower(w.Kind), "static") // StaticPod
		if kindOf(kind) == "" {
			others = append(others, w.Namespace+"/"+kind+"/"+w.Name)
			continue
		}
		r, err := ParseRef(w.Namespace + "/" + kind + "/" + w.Name)
		if err != nil {
			return nil, nil, err
		}
		refs = append(refs, r)
	}
	return refs, others, nil
}
