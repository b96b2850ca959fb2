package fleet

import "sync"

// queue hands things from many goroutines to one without ever blocking those
// who put: the engine's events are answered at once, however slow the disk
// under the record is. Its length is bounded by what the nodes say.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	// bell has room for one ring, so that a taker who was away hears it.
	bell chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{bell: make(chan struct{}, 1)} }

// put adds x unless limit things wait already; limit 0 means none.
func (q *queue[T]) put(x T, limit int) {
	q.mu.Lock()
	if limit == 0 || len(q.items) < limit {
		q.items = append(q.items, x)
	}
	q.mu.Unlock()
	select {
	case q.bell <- struct{}{}:
	default:
	}
}

// take returns all that waits, in order, and leaves none.
func (q *queue[T]) take() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}
