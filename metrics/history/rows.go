package history

import (
	"encoding/binary"
	"errors"
	"time"

	bolt "go.etcd.io/bbolt"
)

// eachRow visits every sum.
func eachRow(tx *bolt.Tx, visit func(p period, n int64, v []byte) error) error {
	for _, p := range periods {
		if err := from(tx, p, 0, func(n int64, v []byte) error { return visit(p, n, v) }); err != nil {
			return err
		}
	}
	return nil
}

// from visits the sums of a period from a number on, in the order of time.
func from(tx *bolt.Tx, p period, first int64, visit func(n int64, v []byte) error) error {
	c := tx.Bucket([]byte(p)).Cursor()
	for k, v := c.Seek(place(first)); k != nil; k, v = c.Next() {
		if len(k) != 8 || v == nil {
			return errRow
		}
		if err := visit(int64(binary.BigEndian.Uint64(k)), v); err != nil {
			return err
		}
	}
	return nil
}

// place is the key of a sum. Nothing is older than 1970.
func place(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(max(n, 0))) }

// last is the number of the newest sum of a period, -1 when there is none.
func last(tx *bolt.Tx, p period) int64 {
	k, _ := tx.Bucket([]byte(p)).Cursor().Last()
	if len(k) != 8 {
		return -1
	}
	return int64(binary.BigEndian.Uint64(k))
}

// write adds sums of minutes, adds up hours and days that are over, and deletes what is
// too old or, when there is too much, the oldest.
func (s *store) write(rows map[int64]*sum, now time.Time, set Settings) error {
	s.written = true
	return s.update(func(tx *bolt.Tx) error {
		done := map[period]int64{hours: last(tx, hours), days: last(tx, days)}
		for at, row := range rows {
			if err := addTo(tx, minutes, at, row); err != nil {
				return err
			}
			for p, last := range done { // one that comes late, or after the clock was set back
				if n := p.number(minutes.begin(at, nil), set.Zone); n <= last {
					if err := addTo(tx, p, n, row); err != nil {
						return err
					}
				}
			}
		}
		for p, last := range done {
			if err := addUp(tx, p, last, now, set.Zone); err != nil {
				return err
			}
		}
		if err := prune(tx, now, set); err != nil {
			return err
		}
		return s.shrink(tx, set.Zone)
	})
}

func addTo(tx *bolt.Tx, p period, n int64, row *sum) error {
	b := tx.Bucket([]byte(p))
	all := sum{}
	if old := b.Get(place(n)); old != nil {
		if err := all.addRow(old, true); err != nil {
			return err
		}
	}
	all.add(row)
	return b.Put(place(n), all.encode())
}

// addUp makes the sums of hours or days that are over, after the last that is there.
func addUp(tx *bolt.Tx, p period, last int64, now time.Time, zone *time.Location) error {
	present := p.number(now, zone)
	if last >= present {
		return nil
	}
	begin := int64(0)
	if last >= 0 {
		begin = minutes.number(p.begin(last+1, zone), nil)
	}
	sums := map[int64]*sum{}
	err := from(tx, minutes, begin, func(at int64, v []byte) error {
		n := p.number(minutes.begin(at, nil), zone)
		switch {
		case n >= present:
			return errStop
		case n <= last:
			return nil
		}
		if sums[n] == nil {
			sums[n] = new(sum)
		}
		return sums[n].addRow(v, true)
	})
	if err != nil && !errors.Is(err, errStop) {
		return err
	}
	for n, one := range sums {
		if err := tx.Bucket([]byte(p)).Put(place(n), one.encode()); err != nil {
			return err
		}
	}
	return nil
}

// errStop ends a visit.
var errStop = errors.New("enough")

// wrong is how far ahead a sum may lie: the clock was, and has been set right.
const wrong = 24 * time.Hour

// prune deletes what is too old, and what lies in the future.
func prune(tx *bolt.Tx, now time.Time, set Settings) error {
	for _, p := range periods {
		first, latest := p.first(now, set.Keep, set.Zone), p.number(now.Add(wrong), set.Zone)
		c := tx.Bucket([]byte(p)).Cursor()
		for k, _ := c.First(); k != nil && int64(binary.BigEndian.Uint64(k)) < first; k, _ = c.First() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		for k, _ := c.Last(); k != nil && int64(binary.BigEndian.Uint64(k)) > latest; k, _ = c.Last() {
			if err := c.Delete(); err != nil {
				return err
			}
		}
	}
	return nil
}

// shrink deletes the oldest sums, of whatever period, when the file is too large: a
// sixteenth at once, so that it has to be done seldom.
func (s *store) shrink(tx *bolt.Tx, zone *time.Location) error {
	used := tx.Size() - int64(s.db.Stats().FreePageN)*int64(s.db.Info().PageSize)
	if used <= s.max {
		return nil
	}
	for excess := used - s.max + s.max/16; excess > 0; {
		var oldest *bolt.Cursor
		var begin time.Time
		size := 0
		for _, p := range periods {
			c := tx.Bucket([]byte(p)).Cursor()
			k, v := c.First()
			if k == nil {
				continue
			}
			if at := p.begin(int64(binary.BigEndian.Uint64(k)), zone); oldest == nil || at.Before(begin) {
				oldest, begin, size = c, at, len(k)+len(v)
			}
		}
		if oldest == nil {
			return nil
		}
		if err := oldest.Delete(); err != nil {
			return err
		}
		excess -= int64(size)
	}
	return nil
}
