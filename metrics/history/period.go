package history

import "time"

// period is what a sum is of; its values are the names of the buckets on disk.
type period string

const (
	minutes period = "minutes"
	hours   period = "hours"
	days    period = "days"
)

var periods = []period{minutes, hours, days}

// number is the place of the period in which t lies: minutes and hours since 1970,
// days since then by the calendar of zone.
func (p period) number(t time.Time, zone *time.Location) int64 {
	switch p {
	case minutes:
		return floor(t.Unix(), 60)
	case hours:
		return floor(t.Unix(), 3600)
	}
	y, m, d := t.In(zone).Date()
	return floor(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), 86400)
}

// begin is when the period with a number begins.
func (p period) begin(n int64, zone *time.Location) time.Time {
	switch p {
	case minutes:
		return time.Unix(n*60, 0)
	case hours:
		return time.Unix(n*3600, 0)
	}
	y, m, d := time.Unix(n*86400, 0).UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// floor divides and rounds down, before 1970 as well.
func floor(n, by int64) int64 {
	if n < 0 {
		n -= by - 1
	}
	return n / by
}

// kept is how long sums of the period are kept.
func (p period) kept(keep time.Duration) time.Duration {
	switch p {
	case minutes:
		return min(minutesKept, keep)
	case hours:
		return min(hoursKept, keep)
	}
	return keep
}

// first is the number of the oldest period that is kept: the first that begins at most
// so long ago.
func (p period) first(now time.Time, keep time.Duration, zone *time.Location) int64 {
	oldest := now.Add(-p.kept(keep))
	n := p.number(oldest, zone)
	if p.begin(n, zone).Before(oldest) {
		n++
	}
	return n
}
