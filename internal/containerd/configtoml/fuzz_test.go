package configtoml

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pullway/pullway/internal/secret"
)

func FuzzChange(f *testing.F) {
	f.Add("version = 2\n" + v2 + ".registry.mirrors.x]\nendpoint = ['http://x']\n")
	f.Add("version = 3\n[plugins.'io.containerd.cri.v1.images']\nregistry = {config_path=''}\n")
	f.Add("[[plugins]]\n[plugins.cri]\nregistry.config_path=\"\"\"\na\"\"\"")
	f.Fuzz(func(t *testing.T, text string) {
		for _, release := range []string{"1.6.20", "2.2.1", "2.4.2"} {
			tree := load(t, files{root: text}, release)
			tree.Problems()
			want := certsD
			want.SetConfigAuth = []HostAuth{{"h", "u", secret.New("p")}}
			changes, err := Change(tree, want)
			if err != nil || len(changes) == 0 {
				continue
			}
			after := load(t, files{root: string(changes[0].After)}, release)
			if r := after.Registry(); r.ConfigPath != want.ConfigPath || len(r.Mirrors) > 0 {
				t.Fatalf("%s: wanted state not reached:\n%s", release, changes[0].After)
			}
		}
	})
}

// Lines that have nothing to do with registries stay as they are, in their order.
func TestChangeKeepsOtherLines(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var b, kept strings.Builder
		line := func(s string) { b.WriteString(s + "\n"); kept.WriteString(s + "\n") }
		line("version = 2")
		for i := range rapid.IntRange(0, 6).Draw(rt, "tables") {
			line(rapid.SampledFrom([]string{"", "# note", "  # indented", "\t"}).Draw(rt, "trivia"))
			line(fmt.Sprintf("[plugins.%q]", fmt.Sprintf("p%d", i)))
			line(rapid.SampledFrom([]string{"  a = 'x' # y", "b=[1,\n 2]", "c.d = \"\"", ""}).Draw(rt, "key"))
			if rapid.Bool().Draw(rt, "mirror") {
				fmt.Fprintf(&b, "%s.registry.mirrors.\"h%d\"]\n  endpoint = ['http://m%d']\n", v2, i, i)
			}
		}
		changes, err := Change(load(t, files{root: b.String()}, "1.7.35"), certsD)
		if err != nil {
			rt.Fatal(err)
		}
		added := "\n" + v2 + ".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"
		after := changes[0].After
		if i := bytes.Index(after, []byte(strings.TrimPrefix(added, "\n"))); i < 0 {
			rt.Fatalf("config_path is missing:\n%s", after)
		}
		if got, want := string(after), kept.String()+added; got != want {
			rt.Fatalf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestTenMegabytes(t *testing.T) {
	var b strings.Builder
	b.WriteString("version = 2\n[timeouts]\n")
	for i := 0; b.Len() < 10<<20; i++ {
		fmt.Fprintf(&b, "# line %d of a long comment that somebody pasted here\n", i)
		if i%100 == 0 {
			fmt.Fprintf(&b, "k%d = [\"a\", \"b\"] # %d\n", i, i)
		}
	}
	b.WriteString(v2 + ".registry.mirrors.x]\nendpoint = ['http://x']\n")
	changes, err := Change(load(t, files{root: b.String()}, "1.7.35"), certsD)
	if err != nil || len(changes) != 1 {
		t.Fatalf("%d changes, %v", len(changes), err)
	}
}
