package resolver

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Schedule is when a list applies: slots of the week on the clock of a place. A
// slot belongs to its first day, also when it ends on the next. The zero value is
// always. It is immutable.
type Schedule []slot

// slot begins on some days of the week at begin and ends at end, both in minutes
// after midnight; an end that is not later is on the next day.
type slot struct {
	days       [7]bool // by time.Weekday
	begin, end int
}

const dayMinutes = 24 * 60

// weekdays are the days as they are written, Monday first.
var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// ParseSchedule reads entries like "mon-fri 21:00-07:00" and "sat,sun
// 22:30-08:00"; without days, a slot is on every day. An end of 24:00 is midnight.
func ParseSchedule(entries []string) (Schedule, error) {
	var s Schedule
	for _, e := range entries {
		one, err := parseSlot(e)
		if err != nil {
			return nil, fmt.Errorf("%q is no schedule: %w; write it like \"mon-fri 21:00-07:00\" or \"sat,sun 22:30-08:00\"", e, err)
		}
		s = append(s, one)
	}
	return s, nil
}

func parseSlot(text string) (slot, error) {
	var s slot
	fields := strings.Fields(strings.ToLower(text))
	switch len(fields) {
	case 1:
		fields = append([]string{"mon-sun"}, fields...)
	case 2:
	default:
		return s, errors.New("it is days, a space, and a time from when to when without any")
	}
	for part := range strings.SplitSeq(fields[0], ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, to := weekday(first), weekday(last)
		if from < 0 || to < 0 {
			return s, fmt.Errorf("%q is no day of the week (mon, tue, wed, thu, fri, sat, sun)", part)
		}
		for day := from; ; day = (day + 1) % 7 {
			s.days[(day+1)%7] = true // time.Weekday begins with Sunday
			if day == to {
				break
			}
		}
	}
	begin, end, ok := strings.Cut(fields[1], "-")
	if !ok {
		return s, fmt.Errorf("%q is no time from when to when", fields[1])
	}
	var err error
	if s.begin, err = clockMinutes(begin); err != nil {
		return s, err
	}
	if s.end, err = clockMinutes(end); err != nil {
		return s, err
	}
	if s.begin == dayMinutes {
		return s, errors.New("what begins at 24:00 begins on the next day at 00:00")
	}
	if s.begin == s.end {
		return s, errors.New("it begins when it ends; a whole day is 00:00-24:00")
	}
	return s, nil
}

// weekday is the place of a day in the week that begins on Monday, -1 for what is
// none. Whole names are fine, too.
func weekday(text string) int {
	for i, day := range weekdays {
		if len(text) >= len(day) && strings.HasPrefix(strings.ToLower(time.Weekday((i+1)%7).String()), text) {
			return i
		}
	}
	return -1
}

// clockMinutes reads hours and minutes, "7:00" to "24:00".
func clockMinutes(text string) (int, error) {
	t, err := time.Parse("15:04", text)
	switch {
	case text == "24:00":
		return dayMinutes, nil
	case err != nil:
		return 0, fmt.Errorf("%q is no time of the day", text)
	}
	return 60*t.Hour() + t.Minute(), nil
}

// Active says whether the schedule is on at t, on the clock of zone, and when that
// changes next: not before next, which is at most two days ahead.
func (s Schedule) Active(t time.Time, zone *time.Location) (on bool, next time.Time) {
	next = t.Add(48 * time.Hour)
	if len(s) == 0 {
		return true, next
	}
	year, month, today := t.In(zone).Date()
	for i := range s {
		// The day before may reach into today, and two days ahead may end on the third.
		for day := today - 1; day <= today+3; day++ {
			if !s[i].days[time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Weekday()] {
				continue
			}
			last := day
			if s[i].end <= s[i].begin {
				last++
			}
			begin, _ := moments(year, month, day, s[i].begin, zone)
			_, end := moments(year, month, last, s[i].end, zone)
			on = on || !t.Before(begin) && t.Before(end)
			for _, change := range []time.Time{begin, end} {
				if change.After(t) && change.Before(next) {
					next = change
				}
			}
		}
	}
	return on, next
}

// moments are the first and the last time at which the clock of zone shows so many
// minutes after midnight on a day: two where it is set back that night, so that a
// slot which begins or ends then has no hole. What ends as the doubled hour begins
// has no part in that, so both are the first. Where the clock is set forward over
// them, both are the moment of that.
func moments(year int, month time.Month, day, minutes int, zone *time.Location) (first, last time.Time) {
	shown := time.Date(year, month, day, 0, minutes, 0, 0, time.UTC)
	var found []time.Time
	for _, around := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, offset := shown.Add(around).In(zone).Zone()
		t := shown.Add(-time.Duration(offset) * time.Second)
		if _, now := t.In(zone).Zone(); now == offset {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		_, offset := shown.Add(-24 * time.Hour).In(zone).Zone()
		change, _ := shown.Add(-time.Duration(offset) * time.Second).In(zone).ZoneBounds()
		return change, change
	case 1:
		return found[0], found[0]
	}
	if found[1].Before(found[0]) {
		found[0], found[1] = found[1], found[0]
	}
	if change, _ := found[1].In(zone).ZoneBounds(); change.Equal(found[1]) {
		return found[0], found[0]
	}
	return found[0], found[1]
}
