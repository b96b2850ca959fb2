package census

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/kube"
)

// tries is how often one page is asked for in all when it does not come, and
// restarts how often a list is begun anew when its state has expired.
const (
	tries    = 4
	restarts = 3
)

// reader reads lists into one store.
type reader struct {
	from  Source
	opt   Options
	mu    sync.Mutex // guards what follows
	store *store
	notes []impact.Gap
}

// page is one page, or why there is none.
type page struct {
	buf  []byte
	list []byte // the message inside of buf
	next string
	err  error
}

// errExpired is that the state of which the list is told is gone (410), with a
// token to go on by at a newer state; empty when there is none.
type errExpired struct{ token string }

func (errExpired) Error() string { return "the list has expired" }

// list reads one list: while a page is looked at the next one is on its way.
func (r *reader) list(ctx context.Context, l *list) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	opts := metav1.ListOptions{Limit: r.opt.PageSize}
	begun := 0
	var spare []byte // two pages are in memory: one that is looked at, one on its way
	coming := r.fetch(ctx, l, opts, nil)
	for {
		p := <-coming
		var gone errExpired
		if errors.As(p.err, &gone) {
			switch begun++; {
			case begun > restarts:
				return fmt.Errorf("list %s of Kubernetes: it expired %d times before its end (410)", l.path, begun)
			case gone.token == "":
				if l.reset != nil {
					r.locked(l.reset)
				}
			default:
				r.note(l)
			}
			opts.Continue = gone.token
			coming = r.fetch(ctx, l, opts, p.buf)
			continue
		}
		if p.err != nil {
			return p.err
		}
		opts.Continue = p.next
		if p.next != "" {
			coming = r.fetch(ctx, l, opts, spare)
		}
		if err := r.take(l, p.list); err != nil {
			return err
		}
		if p.next == "" {
			return nil
		}
		spare = p.buf
	}
}

func (r *reader) locked(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

func (r *reader) note(l *list) {
	r.locked(func() {
		r.notes = append(r.notes, impact.Gap{What: "list " + l.right, Why: "the list expired before its end and was gone on with at a newer state (410)", Means: "what changed meanwhile may be missing"})
	})
}

func (r *reader) take(l *list, b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := itemsOf(b, l.add); err != nil {
		return fmt.Errorf("list %s of Kubernetes: %w", l.path, err)
	}
	return nil
}

// fetch asks for one page, some times if need be.
func (r *reader) fetch(ctx context.Context, l *list, o metav1.ListOptions, buf []byte) <-chan page {
	out := make(chan page, 1)
	go func() { out <- r.page(ctx, l, o, buf) }()
	return out
}

func (r *reader) page(ctx context.Context, l *list, o metav1.ListOptions, buf []byte) (p page) {
	wait := r.opt.Pause
	for try := 1; ; try++ {
		p = r.once(ctx, l, o, buf)
		buf = p.buf
		switch {
		case errors.Is(p.err, kube.ErrPageTooBig) && o.Limit > 1:
			o.Limit /= 2
			continue
		case p.err == nil, !passing(p.err), try == tries:
			return p
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return p
		case <-t.C:
			wait *= 2
		}
	}
}

func (r *reader) once(ctx context.Context, l *list, o metav1.ListOptions, buf []byte) (p page) {
	p.buf, p.err = r.from.Page(ctx, l.path, o, buf)
	if p.err != nil {
		var s *apierrors.StatusError
		if apierrors.IsResourceExpired(p.err) || apierrors.IsGone(p.err) {
			gone := errExpired{}
			if errors.As(p.err, &s) {
				gone.token = s.ErrStatus.Continue
			}
			p.err = gone
		}
		return p
	}
	kind, list, err := unwrap(p.buf)
	if err == nil && kind != l.kind {
		err = fmt.Errorf("the answer is a %q, not a %s", kind, l.kind)
	}
	if err == nil {
		p.next, err = tokenOf(list)
	}
	if err != nil {
		p.err = fmt.Errorf("list %s of Kubernetes: %w", l.path, err)
	}
	p.list = list
	return p
}

// passing reports whether asking again may help.
func passing(err error) bool {
	var e *kube.Error
	if !errors.As(err, &e) {
		return false
	}
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsNotFound(err), apierrors.IsNotAcceptable(err), apierrors.IsMethodNotSupported(err):
		return false
	}
	return !errors.Is(err, context.Canceled)
}
