package sequencer

// readyHeap orders senders by what their first transaction pays, then by arrival.
type readyHeap []*senderQueue

func (h readyHeap) Len() int { return len(h) }

func (h readyHeap) Less(i, j int) bool {
	a, b := h[i].first(), h[j].first()
	if c := a.tip.Cmp(&b.tip); c != 0 {
		return c > 0
	}
	return a.arrival < b.arrival
}

func (h readyHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapAt, h[j].heapAt = i, j
}

func (h *readyHeap) Push(x any) {
	q := x.(*senderQueue)
	q.heapAt = len(*h)
	*h = append(*h, q)
}

func (h *readyHeap) Pop() any {
	old := *h
	q := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	q.heapAt = -1
	return q
}
