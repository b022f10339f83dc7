package resolver

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func schedule(tb testing.TB, entries ...string) Schedule {
	tb.Helper()
	s, err := ParseSchedule(entries)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func zoneOf(tb testing.TB, name string) *time.Location {
	tb.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		tb.Fatal(err)
	}
	return zone
}

// What is written in different ways is the same schedule.
func TestParseSchedule(t *testing.T) {
	for _, same := range [][]string{
		{"mon-sun 21:00-07:00", "21:00-07:00", "mon,tue,wed,thu,fri,sat,sun 21:00-07:00", "  Wed-Tue   21:00-7:00 "},
		{"mon-fri 08:00-15:30", "monday-friday 8:00-15:30", "MON,TUE,wed-fri 08:00-15:30", "tues-thurs,mon,fri 08:00-15:30"},
		{"sat-mon 00:00-24:00", "sat,sun,mon 00:00-24:00", "sunday-mon,sat-sun 0:00-24:00"},
		{"sun 23:59-00:00", "sun-sun 23:59-0:00"},
	} {
		want := schedule(t, same[0])
		for _, text := range same[1:] {
			if got := schedule(t, text); !slices.Equal(got, want) {
				t.Errorf("%q: %v, want %v", text, got, want)
			}
		}
	}
	if s := schedule(t); s != nil {
		t.Errorf("without entries: %v", s)
	}
	if s := schedule(t, "sun 10:00-12:00"); s[0] != (slot{days: [7]bool{time.Sunday: true}, begin: 600, end: 720}) {
		t.Errorf("%v", s)
	}
}

// Each mistake is told by its own words.
func TestParseScheduleMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "it is days, a space, and a time",
		"mon":                      `"mon" is no time from when to when`,
		"mon-fri":                  `"mon" is no time of the day`,
		"21:00":                    `"21:00" is no time from when to when`,
		"mon 21:00":                `"21:00" is no time from when to when`,
		"mon 21:00-":               `"" is no time of the day`,
		"mon -07:00":               `"" is no time of the day`,
		"mon 21:00 - 07:00":        "it is days, a space, and a time",
		"mon, tue 21:00-07:00":     "it is days, a space, and a time",
		"mon,,tue 21:00-07:00":     `"" is no day of the week`,
		"mon- 21:00-07:00":         `"mon-" is no day of the week`,
		"mon-tue-wed 21:00-07:00":  `"mon-tue-wed" is no day of the week`,
		"mo 21:00-07:00":           `"mo" is no day of the week`,
		"mondays 21:00-07:00":      `"mondays" is no day of the week`,
		"montag 21:00-07:00":       `"montag" is no day of the week`,
		"daily 21:00-07:00":        `"daily" is no day of the week`,
		"21:00-07:00 mon":          `"21:00-07:00" is no day of the week`,
		"mon 21-07":                `"21" is no time of the day`,
		"mon 21:0-07:00":           `"21:0" is no time of the day`,
		"mon 9pm-7am":              `"9pm" is no time of the day`,
		"mon 21:00:00-07:00:00":    `"21:00:00" is no time of the day`,
		"mon 21:60-07:00":          `"21:60" is no time of the day`,
		"mon 21:00-24:01":          `"24:01" is no time of the day`,
		"mon 25:00-07:00":          `"25:00" is no time of the day`,
		"mon 24:00-07:00":          "what begins at 24:00 begins on the next day at 00:00",
		"mon 21:00-21:00":          "it begins when it ends; a whole day is 00:00-24:00",
		"mon 21:00\u201307:00":     "is no time from when to when",
		"mon 21:00-07:00,22:00-23": `"07:00,22:00-23" is no time of the day`,
	} {
		_, err := ParseSchedule([]string{"sat 10:00-12:00", text})
		if err == nil {
			t.Errorf("%q is accepted", text)
			continue
		}
		if got := err.Error(); !strings.HasPrefix(got, fmt.Sprintf("%q is no schedule: ", text)) || !strings.Contains(got, want) || !strings.Contains(got, `write it like "mon-fri 21:00-07:00"`) {
			t.Errorf("%q: %s", text, got)
		}
	}
}

// moment reads a time with its offset, so that the two of a doubled hour differ.
func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04 -07", text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// Slots around the nights in which the clock is set: from when to when they last,
// "" for never.
func TestScheduleWhenTheClockIsSet(t *testing.T) {
	for _, c := range []struct{ zone, slot, around, begin, end string }{
		// Brussels skips 02:00 to 03:00 on 2026-03-29 ...
		{"Europe/Brussels", "sat 21:00-07:00", "2026-03-29 04:00 +02", "2026-03-28 21:00 +01", "2026-03-29 07:00 +02"},
		{"Europe/Brussels", "sun 02:30-05:00", "2026-03-29 04:00 +02", "2026-03-29 03:00 +02", "2026-03-29 05:00 +02"},
		{"Europe/Brussels", "sun 01:00-02:30", "2026-03-29 01:30 +01", "2026-03-29 01:00 +01", "2026-03-29 03:00 +02"},
		{"Europe/Brussels", "sun 02:15-02:45", "2026-03-29 03:00 +02", "", ""},
		{"Europe/Brussels", "sun 01:00-02:00", "2026-03-29 01:30 +01", "2026-03-29 01:00 +01", "2026-03-29 03:00 +02"},
		{"Europe/Brussels", "sun 03:00-04:00", "2026-03-29 03:00 +02", "2026-03-29 03:00 +02", "2026-03-29 04:00 +02"},
		// ... and has 02:00 to 03:00 twice on 2026-10-25.
		{"Europe/Brussels", "sat 21:00-07:00", "2026-10-25 02:30 +01", "2026-10-24 21:00 +02", "2026-10-25 07:00 +01"},
		{"Europe/Brussels", "sun 02:30-05:00", "2026-10-25 02:15 +01", "2026-10-25 02:30 +02", "2026-10-25 05:00 +01"},
		{"Europe/Brussels", "sun 01:00-02:30", "2026-10-25 02:45 +02", "2026-10-25 01:00 +02", "2026-10-25 02:30 +01"},
		{"Europe/Brussels", "sun 02:15-02:45", "2026-10-25 02:00 +01", "2026-10-25 02:15 +02", "2026-10-25 02:45 +01"},
		{"Europe/Brussels", "sun 01:00-03:00", "2026-10-25 02:30 +01", "2026-10-25 01:00 +02", "2026-10-25 03:00 +01"},
		{"Europe/Brussels", "sun 02:00-04:00", "2026-10-25 02:30 +01", "2026-10-25 02:00 +02", "2026-10-25 04:00 +01"},
		// New York skips 02:00 to 03:00 on 2026-03-08, and has 01:00 to 02:00 twice on 2026-11-01.
		{"America/New_York", "sat 22:00-02:30", "2026-03-08 01:00 -05", "2026-03-07 22:00 -05", "2026-03-08 03:00 -04"},
		{"America/New_York", "sun 02:30-06:00", "2026-03-08 04:00 -04", "2026-03-08 03:00 -04", "2026-03-08 06:00 -04"},
		{"America/New_York", "sun 02:00-03:00", "2026-03-08 03:00 -04", "", ""},
		{"America/New_York", "sat 22:00-01:30", "2026-11-01 01:10 -05", "2026-10-31 22:00 -04", "2026-11-01 01:30 -05"},
		{"America/New_York", "sat 22:00-01:00", "2026-11-01 00:30 -04", "2026-10-31 22:00 -04", "2026-11-01 01:00 -04"},
		{"America/New_York", "sun 01:30-06:00", "2026-11-01 01:10 -05", "2026-11-01 01:30 -04", "2026-11-01 06:00 -05"},
		{"America/New_York", "sun 00:00-24:00", "2026-11-01 12:00 -05", "2026-11-01 00:00 -04", "2026-11-02 00:00 -05"},
		// Lord Howe skips 02:00 to 02:30 on 2026-10-04, and has 01:30 to 02:00 twice on 2026-04-05.
		{"Australia/Lord_Howe", "sun 02:10-03:00", "2026-10-03 15:45 +00", "2026-10-03 15:30 +00", "2026-10-03 16:00 +00"},
		{"Australia/Lord_Howe", "sun 01:00-01:45", "2026-04-04 15:10 +00", "2026-04-04 14:00 +00", "2026-04-04 15:15 +00"},
	} {
		s, zone := schedule(t, c.slot), zoneOf(t, c.zone)
		at := moment(t, c.around)
		on, end := s.Active(at, zone)
		if c.begin == "" {
			if on {
				t.Errorf("%s %s: on at %v", c.zone, c.slot, at)
			}
			continue
		}
		if want := moment(t, c.end); !on || !end.Equal(want) {
			t.Errorf("%s %s: %v at %v until %v, want %v", c.zone, c.slot, on, at, end.In(zone), want)
		}
		begin := moment(t, c.begin)
		if on, next := s.Active(begin.Add(-time.Second), zone); on || !next.Equal(begin) {
			t.Errorf("%s %s: %v before, until %v, want %v", c.zone, c.slot, on, next.In(zone), begin)
		}
		if on, _ := s.Active(begin, zone); !on {
			t.Errorf("%s %s: not on at %v", c.zone, c.slot, begin)
		}
		if on, _ := s.Active(end, zone); on {
			t.Errorf("%s %s: still on at %v", c.zone, c.slot, end)
		}
	}
}

// A slot belongs to its first day, and several on a day go together.
func TestScheduleDays(t *testing.T) {
	s := schedule(t, "fri 21:00-07:00", "mon-thu 07:00-08:00", "mon-thu 16:00-17:30", "mon-thu 17:00-18:00")
	for text, want := range map[string]bool{
		"2026-02-06 20:59 +00": false, "2026-02-06 21:00 +00": true, // a Friday
		"2026-02-07 06:59 +00": true, "2026-02-07 07:00 +00": false, "2026-02-07 22:00 +00": false,
		"2026-02-06 06:00 +00": false, // the night belongs to Thursday
		"2026-02-09 07:30 +00": true, "2026-02-09 12:00 +00": false, "2026-02-09 17:15 +00": true, "2026-02-09 17:45 +00": true, "2026-02-09 18:00 +00": false,
		"2026-02-06 16:30 +00": false,
	} {
		if on, _ := s.Active(moment(t, text), time.UTC); on != want {
			t.Errorf("%s: %v", text, on)
		}
	}
	if on, next := Schedule(nil).Active(moment(t, "2026-02-06 20:59 +00"), time.UTC); !on || next.Before(moment(t, "2026-02-07 20:59 +00")) {
		t.Errorf("always: %v until %v", on, next)
	}
}

// clock is what a clock shows at a minute.
type clock struct{ day, minutes int }

func (c clock) compare(o clock) int {
	return cmp.Or(cmp.Compare(c.day, o.day), cmp.Compare(c.minutes, o.minutes))
}

// slow says of every minute from start on whether a schedule is on, by looking at
// what the clock shows in each: a slot begins in the first minute that is not
// before its begin, and ends after the last that is before its end.
func slow(s Schedule, start time.Time, minutes int, zone *time.Location) []bool {
	shown := make([]clock, minutes)
	for i := range shown {
		t := start.Add(time.Duration(i) * time.Minute).In(zone)
		year, month, day := t.Date()
		days := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400
		shown[i] = clock{int(days), 60*t.Hour() + t.Minute()}
	}
	on := make([]bool, minutes)
	for _, one := range s {
		for day := shown[0].day - 1; day <= shown[minutes-1].day; day++ {
			if !one.days[(day+4)%7] { // 1970-01-01 was a Thursday
				continue
			}
			begin, end := clock{day, one.begin}, clock{day, one.end}
			if one.end <= one.begin {
				end.day++
			}
			if end.minutes == dayMinutes {
				end = clock{end.day + 1, 0}
			}
			first := slices.IndexFunc(shown, func(c clock) bool { return c.compare(begin) >= 0 })
			for i := minutes - 1; first >= 0 && i >= first; i-- {
				if shown[i].compare(end) < 0 {
					for ; i >= first; i-- {
						on[i] = true
					}
				}
			}
		}
	}
	return on
}

// In every minute of the days around a change of the clock, and every few of a
// whole year, a schedule is what the slow way says; and it never changes before it
// says so, which every minute is looked at for.
func TestScheduleAgainstSlow(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	zones := []string{"Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo", "America/Nuuk", "Asia/Kathmandu", "UTC"}
	for _, name := range zones {
		zone := zoneOf(t, name)
		for from := time.Date(2026, 1, 1, 0, 0, 0, 0, zone); from.Year() == 2026; {
			_, change := from.ZoneBounds()
			if change.IsZero() {
				change = from.AddDate(0, 1, 0) // a month like any other
			}
			for range 3 {
				compareSchedules(t, randomSchedule(random), change.Add(-36*time.Hour).Truncate(time.Hour), 3, 1, zone)
			}
			from = change.AddDate(0, 3, 0)
		}
	}
	zone := zoneOf(t, "Europe/Brussels")
	year := schedule(t, "mon-fri 21:00-07:00", "sat 02:30-02:45", "sun 02:10-24:00", "wed 12:00-13:00")
	for month := range 12 { // so that the slow way is not too slow
		compareSchedules(t, year, time.Date(2026, time.Month(1+month), 1, 0, 0, 0, 0, zone), 32, 7, zone)
	}
}

// randomSchedule has slots of all lengths, often near the hours in which clocks are
// set.
func randomSchedule(random *rand.Rand) Schedule {
	minutes := func() int {
		if random.IntN(3) == 0 {
			return random.IntN(dayMinutes)
		}
		return 15 * random.IntN(14) // up to 03:15
	}
	var s Schedule
	for range 1 + random.IntN(2) {
		one := slot{begin: minutes(), end: minutes()}
		if one.end == one.begin {
			one.end = dayMinutes
		}
		for day := range one.days {
			one.days[day] = random.IntN(3) == 0
		}
		s = append(s, one)
	}
	return s
}

func compareSchedules(t *testing.T, s Schedule, start time.Time, days, step int, zone *time.Location) {
	t.Helper()
	const ahead = 2 * dayMinutes
	minutes := days * dayMinutes
	// What begins before or ends after the minutes that are looked at is seen whole.
	want := slow(s, start.Add(-ahead*time.Minute), minutes+2*ahead, zone)[ahead:]
	for i := 0; i < minutes; i += step {
		at := start.Add(time.Duration(i) * time.Minute)
		on, next := s.Active(at, zone)
		if on != want[i] {
			t.Fatalf("%v in %v at %v: %v", s, zone, at.In(zone), on)
		}
		if !next.After(at) || next.After(at.Add(48*time.Hour)) {
			t.Fatalf("%v in %v: at %v the next is %v", s, zone, at.In(zone), next.In(zone))
		}
		until := min(int(next.Sub(at)/time.Minute), ahead-1)
		if early := slices.Index(want[i:i+until], !on); early >= 0 {
			t.Fatalf("%v in %v: at %v the next is %v, but it changes %d minutes later", s, zone, at.In(zone), next.In(zone), early)
		}
	}
}

// FuzzSchedule: no text makes it panic, and what is read is on or off until a
// moment that lies ahead.
func FuzzSchedule(f *testing.F) {
	f.Add("mon-fri 21:00-07:00", int64(1_774_746_000))
	f.Add("sat,sun 22:30-08:00", int64(1_793_000_000))
	f.Add("02:15-02:45", int64(-62_135_596_800))
	f.Add("sun-mon 0:00-24:00", int64(253_402_300_799))
	zones := []*time.Location{time.UTC, zoneOf(f, "Europe/Brussels"), zoneOf(f, "Australia/Lord_Howe"), zoneOf(f, "Pacific/Apia")}
	f.Fuzz(func(t *testing.T, text string, seconds int64) {
		s, err := ParseSchedule([]string{text})
		if err != nil {
			if s != nil || !strings.Contains(err.Error(), "write it like") {
				t.Errorf("%v, %v", s, err)
			}
			return
		}
		at := time.Unix(seconds%(1<<38), 0)
		for _, zone := range zones {
			if _, next := s.Active(at, zone); !next.After(at) || next.After(at.Add(48*time.Hour)) {
				t.Errorf("%q in %v at %v: %v", text, zone, at, next)
			}
		}
	})
}
