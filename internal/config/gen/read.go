package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strconv"
	"strings"
)

// spec is what the comments of the types say.
type spec struct {
	groups []group
	// words are the values of each named string type that has constants.
	words map[string][]string
}

// group is one struct type.
type group struct {
	name, doc string
	fields    []field
}

type field struct {
	key, typ, doc, preset string
	optional              bool
}

// readSpec reads the Go source of the types. A field without a comment or
// without a JSON name is an error: it would be a hole in the page.
func readSpec(source []byte) (*spec, error) {
	file, err := parser.ParseFile(token.NewFileSet(), typesFile, source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	s := &spec{words: map[string][]string{}}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, one := range gen.Specs {
			switch one := one.(type) {
			case *ast.ValueSpec:
				s.constant(one)
			case *ast.TypeSpec:
				st, ok := one.Type.(*ast.StructType)
				if !ok {
					continue
				}
				g, err := readGroup(one.Name.Name, gen.Doc.Text(), st)
				if err != nil {
					return nil, err
				}
				s.groups = append(s.groups, g)
			}
		}
	}
	return s, nil
}

func (s *spec) constant(v *ast.ValueSpec) {
	typ, ok := v.Type.(*ast.Ident)
	if !ok {
		return
	}
	for _, value := range v.Values {
		if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if word, err := strconv.Unquote(lit.Value); err == nil {
				s.words[typ.Name] = append(s.words[typ.Name], word)
			}
		}
	}
}

func readGroup(name, doc string, st *ast.StructType) (group, error) {
	g := group{name: name, doc: oneLine(doc)}
	for _, f := range st.Fields.List {
		if len(f.Names) != 1 || f.Tag == nil {
			return g, fmt.Errorf("%s: %s has a field that is not one name with a tag", typesFile, name)
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return g, err
		}
		key, opts, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		text := oneLine(f.Doc.Text())
		if key == "" || text == "" {
			return g, fmt.Errorf("%s: %s.%s lacks a JSON name or a comment", typesFile, name, f.Names[0].Name)
		}
		doc, preset := splitDefault(text)
		g.fields = append(g.fields, field{
			key: key, typ: typeName(f.Type), preset: preset, optional: strings.Contains(opts, "omitempty"),
			doc: withKey(doc, f.Names[0].Name),
		})
	}
	return g, nil
}

// splitDefault takes the last sentence "Default: …." off a comment.
func splitDefault(text string) (doc, preset string) {
	i := strings.LastIndex(text, "Default: ")
	if i < 0 {
		return text, ""
	}
	return strings.TrimSpace(text[:i]), strings.TrimSuffix(text[i+len("Default: "):], ".")
}

// withKey drops the Go name that a comment begins with by custom; readers of
// the page know the key.
func withKey(doc, goName string) string {
	for _, begin := range []string{goName + " is ", goName + " says "} {
		if rest, ok := strings.CutPrefix(doc, begin); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return doc
}

// typeName is a Go type as the page's readers know it; a type of this package
// keeps its name, a list has [] in front.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.ArrayType:
		return "[]" + typeName(e.Elt)
	case *ast.MapType:
		return "map"
	case *ast.Ident:
		return e.Name
	}
	return fmt.Sprintf("%T", e)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
