package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

const plain = "Harbor12345"

// holder stands for somebody else's struct, which fmt walks by reflection.
type holder struct {
	Open   Value
	hidden Value
	ptr    *Value
	list   []Value
	byName map[string]Value
}

func newHolder() holder {
	v := New(plain)
	return holder{Open: v, hidden: v, ptr: &v, list: []Value{v}, byName: map[string]Value{"x": v}}
}

// assertMasked fails when the text, or the text as %x, %d, %q or base64 would
// show it, is part of out.
func assertMasked(t *testing.T, how, out string) {
	t.Helper()
	for _, leak := range []string{
		plain, plain[:6], hex.EncodeToString([]byte(plain)), strings.ToUpper(hex.EncodeToString([]byte(plain))),
		fmt.Sprint([]byte(plain)), base64.StdEncoding.EncodeToString([]byte(plain)), fmt.Sprintf("%b", []byte(plain)[:2]),
	} {
		if strings.Contains(out, leak) {
			t.Errorf("%s shows the secret: %s", how, out)
		}
	}
}

func TestValueIsMaskedByEveryVerb(t *testing.T) {
	flags := []string{"", "+", "#", "-", " ", "0", "+#", "20", ".3"}
	for verb := 'A'; verb <= 'z'; verb++ {
		for _, flag := range flags {
			format := "%" + flag + string(verb)
			v := New(plain)
			assertMasked(t, format, fmt.Sprintf(format, v))
			assertMasked(t, format+" of a pointer", fmt.Sprintf(format, &v))
			assertMasked(t, format+" of a struct", fmt.Sprintf(format, newHolder()))
			assertMasked(t, format+" of a pointer to a struct", fmt.Sprintf(format, &holder{hidden: v}))
			assertMasked(t, "Errorf "+format, fmt.Errorf(format, v).Error())
		}
	}
	assertMasked(t, "Print", fmt.Sprint(New(plain), newHolder()))
	noVerb := "x" // a variable, so that vet lets the mistake through
	//lint:ignore SA5009 the mistake is what is tested
	assertMasked(t, "a missing verb", fmt.Sprintf(noVerb, New(plain), newHolder()))
}

func TestValueIsMaskedByEncoders(t *testing.T) {
	v := New(plain)
	h := newHolder()
	must := func(b []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for how, out := range map[string]string{
		"json":         must(json.Marshal(v)),
		"json struct":  must(json.Marshal(h)),
		"json map key": must(json.Marshal(map[Value]int{v: 1})),
		"yaml":         must(yaml.Marshal(map[string]any{"v": v, "p": &v})),
		"yaml struct":  must(yaml.Marshal(struct{ V Value }{v})),
		"xml":          must(xml.Marshal(v)),
		"text":         must(v.MarshalText()),
	} {
		assertMasked(t, how, out)
		if how != "json struct" && !strings.Contains(out, Mask) {
			t.Errorf("%s: %q does not say that something is hidden", how, out)
		}
	}

	var b bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("x", "v", v, "p", &v, "h", h, "any", slog.AnyValue(v), slog.Group("g", "v", v), "err", errors.New(v.String()))
	}
	if err := template.Must(template.New("").Parse("{{.}} {{printf `%s` .}}")).Execute(&b, v); err != nil {
		t.Fatal(err)
	}
	assertMasked(t, "slog and template", b.String())
}

func TestEmptyValue(t *testing.T) {
	for _, v := range []Value{{}, New("")} {
		if !v.IsZero() || v.String() != "" || v.Reveal() != "" || fmt.Sprintf("%v", v) != "" {
			t.Errorf("an empty secret is %q, zero %v", v.String(), v.IsZero())
		}
	}
	if New("x").IsZero() {
		t.Error("a secret of one letter counts as empty")
	}
}

func TestUnmarshalJSONDoesNotEchoItsInput(t *testing.T) {
	var v Value
	err := json.Unmarshal([]byte(`["`+plain+`"]`), &v)
	if err == nil {
		t.Fatal("an array was taken as a secret")
	}
	assertMasked(t, "error", err.Error())
}

func TestRevealGivesTheVeryBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		v, w := New(a), New(b)
		if v.Reveal() != a {
			t.Fatalf("gave %q back for %q", v.Reveal(), a)
		}
		if v.Equal(w) != (a == b) || (v == w) != (a == b) || cmp.Equal(v, w) != (a == b) {
			t.Fatalf("%q and %q: Equal is %v, == is %v", a, b, v.Equal(w), v == w)
		}
		var back Value
		if err := json.Unmarshal([]byte(strconv.Quote(Mask)), &back); err != nil || back.Reveal() != Mask {
			t.Fatalf("a masked value came back as %q, %v", back.Reveal(), err)
		}
		wire, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(wire, &back); err != nil || back != New(strings.ToValidUTF8(a, "\ufffd")) {
			t.Fatalf("%q came back from JSON as %q, %v", a, back.Reveal(), err)
		}
	})
}
