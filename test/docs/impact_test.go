package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pullway/pullway/internal/impact"
)

// TestEveryRuleIsExplained: what a program reads as `rule` stands on both pages.
func TestEveryRuleIsExplained(t *testing.T) {
	for _, page := range []string{"impact.md", "impact.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join(root, "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, rule := range impact.Rules() {
			if !strings.Contains(string(text), "`"+rule+"`") {
				t.Errorf("%s does not explain %s", page, rule)
			}
		}
	}
}
