package inventory

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// parseList reads what ansible-inventory --list prints: groups with their
// members, and all variables of each host already merged.
func parseList(path string, out []byte) (*tree, map[string]layers, error) {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(out, &doc); err != nil {
		return nil, nil, errorAt(path, 0, "ansible-inventory did not print JSON: %s", err)
	}
	var meta struct {
		HostVars map[string]map[string]json.RawMessage `json:"hostvars"`
	}
	if raw, ok := doc["_meta"]; ok {
		if err := json.Unmarshal(raw, &meta); err != nil {
			return nil, nil, errorAt(path, 0, "ansible-inventory printed variables of an unknown shape: %s", err)
		}
		delete(doc, "_meta")
	}
	t := newTree()
	if len(doc) > maxGroups {
		return nil, nil, errorAt(path, 0, "more than %d groups", maxGroups)
	}
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		var g struct{ Hosts, Children []string }
		if err := json.Unmarshal(doc[name], &g); err != nil {
			return nil, nil, errorAt(path, 0, "ansible-inventory printed group %q in an unknown shape", clip(name))
		}
		t.group(name)
		for _, h := range g.Hosts {
			if _, err := t.addHost(name, h); err != nil {
				return nil, nil, errorAt(path, 0, "%s", err)
			}
		}
		for _, c := range g.Children {
			if err := t.addChild(name, c); err != nil {
				return nil, nil, errorAt(path, 0, "%s", err)
			}
		}
	}
	all := map[string]layers{}
	for h := range t.hosts {
		own := vars{}
		for k, raw := range meta.HostVars[h] {
			own[k] = jsonValue(path, raw)
		}
		all[h] = layers{own}
	}
	return t, all, nil
}

// jsonValue reads one variable as Ansible's JSON encoder writes it.
func jsonValue(path string, raw json.RawMessage) value {
	v := value{file: path}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var a any
	if dec.Decode(&a) != nil {
		v.kind = complex
		return v
	}
	switch x := a.(type) {
	case nil:
		v.kind = null
	case string:
		v.text = x
	case json.Number:
		v.text = x.String()
	case bool:
		v.text = map[bool]string{true: "True", false: "False"}[x]
	case map[string]any:
		v.kind = complex
		if _, ok := x["__ansible_vault"]; ok {
			v.kind = vaulted
		} else if s, ok := x["__ansible_unsafe"].(string); ok {
			v.kind, v.text = unsafe, s
		}
	default:
		v.kind = complex
	}
	return v
}

// reorder puts the hosts into the order of names; hosts that are not in it follow
// as they were.
func (t *tree) reorder(names []string) {
	var out []string
	seen := map[string]bool{}
	for _, list := range [][]string{names, t.order} {
		for _, h := range list {
			if t.hosts[h] != nil && !seen[h] {
				seen[h] = true
				out = append(out, h)
			}
		}
	}
	t.order = out
}

// parseAdHoc reads what the ad-hoc command prints for the debug module:
// "HOST | SUCCESS => {…}" for each host. Anything else is passed over.
func parseAdHoc(out []byte) map[string]map[string]string {
	found := map[string]map[string]string{}
	text := string(out)
	const mark = " | SUCCESS => "
	for {
		i := strings.Index(text, mark)
		if i < 0 {
			return found
		}
		host := text[strings.LastIndexByte(text[:i], '\n')+1 : i]
		text = text[i+len(mark):]
		dec := json.NewDecoder(strings.NewReader(text))
		var res struct {
			Msg map[string]any `json:"msg"`
		}
		if dec.Decode(&res) != nil {
			continue
		}
		text = text[dec.InputOffset():]
		found[host] = map[string]string{}
		for name, v := range res.Msg {
			raw, err := json.Marshal(v)
			if err != nil {
				continue
			}
			if jv := jsonValue("", raw); jv.kind == plain || jv.kind == unsafe {
				found[host][name] = jv.text
			}
		}
	}
}
