package history

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// DayReport is what happened on a day.
type DayReport struct {
	Begin time.Time // its midnight
	Sums
}

// ReadMonth sums up the days of a month of which anything is kept, the oldest first.
// Where there is none, the error is a NoMonth.
func (h *History) ReadMonth(year int, month time.Month) ([]DayReport, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.fold(now)
	m := newMonthReader(year, month, h.set.Zone)
	if err := h.past(days, 0, now, m.take); err != nil {
		h.giveUp(err)
		return nil, fmt.Errorf("the history cannot be read: %w", err)
	}
	return m.days()
}

// ReadMonthOf does the same with the file in the directory of s, which no program may
// have open. It changes nothing there.
func ReadMonthOf(s Settings, year int, month time.Month) ([]DayReport, error) {
	file := &store{path: filepath.Join(s.Dir, fileName)}
	if err := checkPages(file.path); err != nil {
		return nil, err
	}
	defer file.close()
	if err := file.openFile(true); err != nil {
		return nil, err
	}
	m := newMonthReader(year, month, s.Zone)
	if err := file.past(days, 0, time.Now(), s, m.take); err != nil {
		return nil, fmt.Errorf("%s: %w", file.path, err)
	}
	return m.days()
}

// NoMonth says that nothing is kept of a month, but of other days.
type NoMonth struct {
	Year           int
	Month          time.Month
	Oldest, Newest time.Time // days of which something is; zero when there is none
}

func (e NoMonth) Error() string {
	if e.Oldest.IsZero() {
		return fmt.Sprintf("nothing is kept of %d-%02d, nor of any other month", e.Year, e.Month)
	}
	return fmt.Sprintf("nothing is kept of %d-%02d, but of %s to %s", e.Year, e.Month, e.Oldest.Format(time.DateOnly), e.Newest.Format(time.DateOnly))
}

// monthReader takes the sums of a month apart by days.
type monthReader struct {
	none       NoMonth
	first, end int64 // its days
	zone       *time.Location
	found      map[int64]*sum
}

func newMonthReader(year int, month time.Month, zone *time.Location) *monthReader {
	midnight := func(month time.Month) int64 {
		return days.number(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC), time.UTC)
	}
	return &monthReader{NoMonth{Year: year, Month: month}, midnight(month), midnight(month + 1), zone, map[int64]*sum{}}
}

func (m *monthReader) take(begin time.Time, add func(*sum) error) error {
	n := days.number(begin, m.zone)
	day := days.begin(n, m.zone)
	if m.none.Oldest.IsZero() || day.Before(m.none.Oldest) {
		m.none.Oldest = day
	}
	m.none.Newest = later(m.none.Newest, day)
	if n < m.first || n >= m.end {
		return nil
	}
	if m.found[n] == nil {
		m.found[n] = new(sum)
	}
	return add(m.found[n])
}

func (m *monthReader) days() ([]DayReport, error) {
	if len(m.found) == 0 {
		return nil, m.none
	}
	var all []DayReport
	for _, n := range slices.Sorted(maps.Keys(m.found)) {
		all = append(all, DayReport{days.begin(n, m.zone), m.found[n].Sums})
	}
	return all, nil
}
