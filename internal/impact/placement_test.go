package impact

import "testing"

func TestPlacement(t *testing.T) {
	node := func(change ...func(*Node)) *Node {
		n := &Node{Name: "n1", Ready: true, Labels: NewLabels(map[string]string{"zone": "a", "cpus": "8"})}
		for _, f := range change {
			f(n)
		}
		return n
	}
	taint := func(key, value, effect string) func(*Node) {
		return func(n *Node) { n.Taints = append(n.Taints, Taint{key, value, effect}) }
	}
	expression := func(key, operator string, values ...string) Placement {
		return Placement{Terms: []Term{{Labels: []Requirement{{key, operator, values}}}}}
	}
	tolerates := func(key, operator, value, effect string) Placement {
		return Placement{Tolerations: []Toleration{{key, operator, value, effect}}}
	}
	cases := map[string]struct {
		place Placement
		node  *Node
		want  bool
	}{
		"no wish":                   {Placement{}, node(), true},
		"cordoned":                  {Placement{}, node(func(n *Node) { n.Cordoned = true }), false},
		"not Ready":                 {Placement{}, node(func(n *Node) { n.Ready = false }), false},
		"selector":                  {Placement{NodeSelector: NewLabels(map[string]string{"zone": "a"})}, node(), true},
		"selector of another value": {Placement{NodeSelector: NewLabels(map[string]string{"zone": "b"})}, node(), false},
		"selector of no such label": {Placement{NodeSelector: NewLabels(map[string]string{"gpu": ""})}, node(), false},
		"In":                        {expression("zone", "In", "b", "a"), node(), true},
		"In, without the label":     {expression("gpu", "In", ""), node(), false},
		"NotIn, without the label":  {expression("gpu", "NotIn", "x"), node(), true},
		"NotIn":                     {expression("zone", "NotIn", "a"), node(), false},
		"Exists":                    {expression("zone", "Exists"), node(), true},
		"DoesNotExist":              {expression("zone", "DoesNotExist"), node(), false},
		"Gt":                        {expression("cpus", "Gt", "4"), node(), true},
		"Lt":                        {expression("cpus", "Lt", "4"), node(), false},
		"Gt of a word":              {expression("zone", "Gt", "4"), node(), false},
		"an operator of later":      {expression("zone", "Like", "a"), node(), false},
		"an empty term":             {Placement{Terms: []Term{{}}}, node(), false},
		"one term of two":           {Placement{Terms: []Term{{Labels: []Requirement{{"zone", "In", []string{"b"}}}}, {Fields: []Requirement{{"metadata.name", "In", []string{"n1"}}}}}}, node(), true},
		"another field":             {Placement{Terms: []Term{{Fields: []Requirement{{"metadata.uid", "Exists", nil}}}}}, node(), false},
		"tainted":                   {Placement{}, node(taint("gpu", "", "NoSchedule")), false},
		"preferably not":            {Placement{}, node(taint("gpu", "", "PreferNoSchedule")), true},
		"taint of a condition":      {Placement{}, node(taint("node.kubernetes.io/not-ready", "", "NoSchedule")), true},
		"tolerated by Exists":       {tolerates("gpu", "Exists", "", ""), node(taint("gpu", "a100", "NoExecute")), true},
		"tolerated all":             {tolerates("", "Exists", "", ""), node(taint("gpu", "", "NoSchedule")), true},
		"tolerated by value":        {tolerates("gpu", "Equal", "a100", "NoSchedule"), node(taint("gpu", "a100", "NoSchedule")), true},
		"of another value":          {tolerates("gpu", "", "h100", ""), node(taint("gpu", "a100", "NoSchedule")), false},
		"of another effect":         {tolerates("gpu", "Exists", "", "NoExecute"), node(taint("gpu", "", "NoSchedule")), false},
		"one of two taints":         {tolerates("gpu", "Exists", "", ""), node(taint("gpu", "", "NoSchedule"), taint("x", "", "NoSchedule")), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tc.place.Fits(tc.node); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestSelector(t *testing.T) {
	l := NewLabels(map[string]string{"app": "web"})
	for name, tc := range map[string]struct {
		s    Selector
		want bool
	}{
		"absent":      {Selector{None: true}, false},
		"empty":       {Selector{}, true},
		"labels":      {Selector{Labels: l}, true},
		"other":       {Selector{Labels: NewLabels(map[string]string{"app": "db"})}, false},
		"expressions": {Selector{Expressions: []Requirement{{"app", "In", []string{"web"}}, {"gone", "DoesNotExist", nil}}}, true},
		"not all":     {Selector{Labels: l, Expressions: []Requirement{{"app", "NotIn", []string{"web"}}}}, false},
	} {
		if got := tc.s.Matches(l); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestRechecks(t *testing.T) {
	for version, want := range map[string]bool{"v1.34.9": false, "v1.35.0": true, "v1.36.1+k3s1": true, "v2.0.0": true, "1.35.0": true, "": false, "v1.x": false, "v1.35+": true} {
		if got := rechecks(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}

func TestNextRun(t *testing.T) {
	for schedule, want := range map[string]string{
		"0 * * * *": "13:00", "*/5 * * * *": "12:05", "@hourly": "13:00", "@every 90s": "12:02", "0 0 31 2 *": "", "": "", "TZ=0": "", "CRON_TZ=UTC 0 * * * *": "13:00", "TZ= x": "", "61 * * * *": "",
	} {
		o := Owner{Kind: "CronJob", Schedule: schedule}
		at, ok := o.next(noon)
		if ok != (want != "") || ok && at.UTC().Format("15:04") != want {
			t.Errorf("%q: %v, %v; want %q", schedule, at, ok, want)
		}
	}
	for zone, want := range map[string]bool{"Asia/Shanghai": true, "Nowhere/At_All": false, "../etc/passwd": false} {
		o := Owner{Schedule: "0 * * * *", Zone: zone}
		if _, ok := o.next(noon); ok != want {
			t.Errorf("%s: %v", zone, ok)
		}
	}
}
