package docs

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// fields is the table of the JSON fields of a struct type in a package folder.
func fields(dir, name string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return "", err
	}
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments)
		if err != nil {
			return "", err
		}
		for _, decl := range f.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok && ts.Name.Name == name {
					if st, ok := ts.Type.(*ast.StructType); ok {
						return table(st)
					}
				}
			}
		}
	}
	return "", fmt.Errorf("no struct type %s in %s", name, dir)
}

func table(st *ast.StructType) (string, error) {
	var out strings.Builder
	out.WriteString("| Field | Type | What it is |\n| --- | --- | --- |\n")
	rows := 0
	for _, f := range st.Fields.List {
		if f.Tag == nil || len(f.Names) == 0 {
			continue // embedded: the page shows that type on its own
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			return "", err
		}
		name, options, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if name == "-" {
			continue
		}
		text := oneLine(f.Doc)
		if options != "" {
			text = strings.TrimSpace(text + " May be absent.")
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", name, typeName(types.ExprString(f.Type)), text)
		rows++
	}
	if rows == 0 {
		return "", fmt.Errorf("no field")
	}
	return out.String(), nil
}

// typeName says a Go type in words of JSON; names of other types stay.
func typeName(t string) string {
	t = strings.TrimPrefix(t, "*")
	if rest, ok := strings.CutPrefix(t, "[]"); ok {
		return "list of " + typeName(rest)
	}
	switch t {
	case "string":
		return "text"
	case "int", "int32", "int64", "uint32":
		return "number"
	case "bool":
		return "true or false"
	case "time.Time":
		return "time"
	case "time.Duration":
		return "nanoseconds"
	}
	if dot := strings.LastIndexByte(t, '.'); dot >= 0 {
		t = t[dot+1:]
	}
	return t
}

func oneLine(doc *ast.CommentGroup) string {
	if doc == nil {
		return ""
	}
	var p comment.Parser
	text := string((&comment.Printer{TextWidth: -1}).Text(p.Parse(doc.Text())))
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
