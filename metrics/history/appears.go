package history

import (
	"net/netip"
	"time"
)

// Appears is how the client at an address appears in what is kept of a time: its hash of
// that day, its name or address, or "" where clients are not told apart. It waits for
// whoever reads or writes the history, so it is nothing for the way of an answer.
func (h *History) Appears(ip netip.Addr, at time.Time) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.client(ip, minutes.number(at, nil)).String()
}
