package census

import "github.com/pullway/pullway/internal/impact"

// numbers reads the fields of a message that are numbers.
func numbers(b []byte) (map[int32]int64, error) {
	out := map[int32]int64{}
	s := scanner{rest: b}
	for s.next() {
		if s.bytes == nil {
			out[int32(s.num)] = int64(s.n)
		}
	}
	return out, s.err
}

// object is an object with metadata, spec and status, which all of these have.
type object struct {
	meta         meta
	spec, status []byte
}

func objectOf(b []byte) (o object, err error) {
	s := scanner{rest: b}
	for s.next() {
		switch s.num {
		case 1:
			if err := o.meta.read(s.bytes); err != nil {
				return o, err
			}
		case 2:
			o.spec = join(o.spec, s.bytes)
		case 3:
			o.status = join(o.status, s.bytes)
		}
	}
	return o, s.err
}

// join makes one message of two: given twice it is one.
func join(a, b []byte) []byte {
	if a == nil {
		return b
	}
	return append(append([]byte(nil), a...), b...)
}

// replicated reads a Deployment or a StatefulSet, whose spec.replicas is field 1.
// ready and updated are the fields of the status.
func (s *store) replicated(kind string, ready, updated int32) func([]byte) error {
	return func(b []byte) error {
		o, err := objectOf(b)
		if err != nil {
			return err
		}
		spec, err := numbers(o.spec)
		if err != nil {
			return err
		}
		status, err := numbers(o.status)
		if err != nil {
			return err
		}
		want, told := spec[1]
		if !told {
			want = 1
		}
		s.detail(&o.meta, kind, detail{int32(want), int32(status[ready]), want > 0 && (status[updated] < want || status[1] < o.meta.generation)})
		return nil
	}
}

// daemonSet reads a DaemonSet.
func (s *store) daemonSet(b []byte) error {
	o, err := objectOf(b)
	if err != nil {
		return err
	}
	n, err := numbers(o.status)
	if err != nil {
		return err
	}
	s.detail(&o.meta, "DaemonSet", detail{int32(n[3]), int32(n[4]), n[6] < n[3]})
	return nil
}

func (s *store) detail(m *meta, kind string, d detail) {
	s.details[string(ownerKey(nil, m.namespace, kind, m.name))] = d
}

// job notes of which CronJob a Job is.
func (s *store) job(b []byte) error {
	o, err := objectOf(b)
	if err != nil {
		return err
	}
	if string(o.meta.ownerKind) == "CronJob" {
		s.jobOwners[string(o.meta.namespace)+"\x00"+string(o.meta.name)] = s.text(o.meta.ownerName)
	}
	return nil
}

// cronJob reads a CronJob: its schedule and the pods that it will make.
func (s *store) cronJob(b []byte) error {
	o, err := objectOf(b)
	if err != nil {
		return err
	}
	n := s.owner(o.meta.namespace, "CronJob", o.meta.name)
	var schedule, zone string
	suspended := false
	var job []byte
	r := scanner{rest: o.spec}
	for r.next() {
		switch r.num {
		case 1:
			schedule = string(r.bytes)
		case 8:
			zone = string(r.bytes)
		case 4:
			suspended = r.n != 0
		case 5:
			job = join(job, r.bytes)
		}
	}
	if r.err != nil {
		return r.err
	}
	jobSpec, err := inner(job, 2)
	if err != nil {
		return err
	}
	pod, err := inner(jobSpec, 6)
	if err != nil {
		return err
	}
	t, err := s.podTemplate(pod)
	if err != nil {
		return err
	}
	own := &s.c.Owners[n]
	own.Schedule, own.Zone, own.Suspended, own.Template = schedule, zone, suspended, t
	return nil
}

// podTemplate reads a PodTemplateSpec.
func (s *store) podTemplate(b []byte) (int32, error) {
	var m meta
	var spec rawSpec
	r := scanner{rest: b}
	for r.next() {
		var err error
		switch r.num {
		case 1:
			err = m.read(r.bytes)
		case 2:
			err = spec.read(r.bytes)
		}
		if err != nil {
			return 0, err
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	return s.template(&m, &spec)
}

// inner is the message in a field of another one.
func inner(b []byte, num int32) (in []byte, err error) {
	s := scanner{rest: b}
	for s.next() {
		if int32(s.num) == num {
			in = join(in, s.bytes)
		}
	}
	return in, s.err
}

// scaler reads a HorizontalPodAutoscaler of autoscaling/v2.
func (s *store) scaler(b []byte) error {
	o, err := objectOf(b)
	if err != nil {
		return err
	}
	target, err := inner(o.spec, 1)
	if err != nil {
		return err
	}
	spec, err := numbers(o.spec)
	if err != nil {
		return err
	}
	status, err := numbers(o.status)
	if err != nil {
		return err
	}
	out := impact.Scaler{Namespace: s.text(o.meta.namespace), Name: s.text(o.meta.name), Max: int32(spec[3]), Current: int32(status[3]), Desired: int32(status[4])}
	var kind, name []byte
	if err := texts(target, &kind, &name); err != nil {
		return err
	}
	out.Kind, out.Target = s.text(kind), s.text(name)
	s.c.Scalers = append(s.c.Scalers, out)
	return nil
}

// budget reads a PodDisruptionBudget. One that its controller has not looked at in
// its present form allows nothing, as the eviction API has it.
func (s *store) budget(b []byte) error {
	o, err := objectOf(b)
	if err != nil {
		return err
	}
	status, err := numbers(o.status)
	if err != nil {
		return err
	}
	out := impact.Budget{Namespace: s.text(o.meta.namespace), Name: s.text(o.meta.name), Allowed: int32(status[3])}
	if status[1] < o.meta.generation {
		out.Allowed = 0
	}
	raw, err := inner(o.spec, 2)
	if err != nil {
		return err
	}
	if out.Selector, err = s.selector(raw); err != nil {
		return err
	}
	s.c.Budgets = append(s.c.Budgets, out)
	return nil
}

// selector reads a LabelSelector.
func (s *store) selector(b []byte) (all impact.Selector, err error) {
	var match []pair
	r := scanner{rest: b}
	for r.next() {
		switch r.num {
		case 1:
			p, err := pairOf(r.bytes)
			if err != nil {
				return all, err
			}
			match = append(match, p)
		case 2:
			one, err := s.requirement(r.bytes)
			if err != nil {
				return all, err
			}
			all.Expressions = append(all.Expressions, one)
		}
	}
	all.Labels, all.None = s.labels(match, nil), b == nil
	return all, r.err
}
