package impact

import (
	"strings"
	"time"
	_ "time/tzdata" // an operator's machine may have no time zones, and CronJobs name them

	"github.com/robfig/cron/v3"
)

// highPriority is where the system's own priority classes begin.
const highPriority = 1_000_000_000

// exposures notes what makes harm to a workload likely, soon or big.
func (b *book) exposures(o *Owner, out *Workload, states State, template int32) {
	add := func(on bool, e Exposure) {
		if on {
			out.Exposed = append(out.Exposed, e)
		}
	}
	t := &b.w.c.Templates[template]
	add(states&Crashing != 0, CrashLoop)
	add(states&Backoff != 0, PullBackoff)
	add(states&Pending != 0 && states&Backoff == 0, NotStarted)
	out.Priority = t.Priority
	add(t.Priority >= highPriority, HighPriority)
	switch o.Kind {
	case "DaemonSet":
		add(true, EveryNode)
		return
	case "StaticPod":
		add(true, StaticPod)
		return
	case "Pod":
		add(true, BarePod)
	case "Job", "CronJob":
		return
	}
	replicas := int(o.Replicas)
	if replicas < 0 {
		replicas = out.InCluster
	}
	add(replicas == 1 && o.Kind != "Pod", SingleReplica)
	switch budget := b.w.budgetOf(o.Namespace, t.Labels); {
	case budget == nil:
		add(replicas > 1, NoBudget)
	default:
		out.Budget = budget.Name
		add(budget.Allowed <= 0, NoReplicaLeft)
	}
}

// budgetOf is the budget that covers pods with these labels; of several the one
// that allows least.
func (w *world) budgetOf(namespace string, l Labels) (found *Budget) {
	if w.budgets == nil {
		w.budgets = map[string][]*Budget{}
		for i := range w.c.Budgets {
			b := &w.c.Budgets[i]
			w.budgets[b.Namespace] = append(w.budgets[b.Namespace], b)
		}
	}
	for _, b := range w.budgets[namespace] {
		if b.Selector.Matches(l) && (found == nil || b.Allowed < found.Allowed) {
			found = b
		}
	}
	return found
}

// scaling reports whether an autoscaler wants more pods of o than there are.
func (w *world) scaling(o *Owner) bool {
	if w.scalers == nil {
		w.scalers = map[[3]string]*Scaler{}
		for i := range w.c.Scalers {
			s := &w.c.Scalers[i]
			w.scalers[[3]string{s.Namespace, s.Kind, s.Target}] = s
		}
	}
	s := w.scalers[[3]string{o.Namespace, o.Kind, o.Name}]
	return s != nil && s.Desired > s.Current
}

// next is when a CronJob starts next; ok is false when it has no schedule that can
// be read. Kubernetes reads it with the same library.
func (o *Owner) next(now time.Time) (at time.Time, ok bool) {
	zone := time.UTC
	if o.Zone != "" {
		z, err := time.LoadLocation(o.Zone)
		if err != nil {
			return time.Time{}, false
		}
		zone = z
	}
	if strings.Contains(o.Schedule, "TZ=") && !strings.Contains(o.Schedule, " ") {
		return time.Time{}, false // the library panics at a zone and nothing else
	}
	s, err := cron.ParseStandard(o.Schedule)
	if err != nil {
		return time.Time{}, false
	}
	at = s.Next(now.In(zone))
	return at, !at.IsZero()
}
