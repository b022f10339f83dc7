package metrics

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Shape of the native histograms: buckets grow by the eighth root of two, about
// a tenth, which is schema 3 of Prometheus. What has more buckets in use than
// nativeLimit is told in coarser ones.
const (
	nativeSchema = 3
	nativePerTwo = 1 << nativeSchema // buckets while the value doubles
	nativeLimit  = 100
)

// Keys of the buckets that are counted: from a nanosecond, which lies in bucket
// -239, to 256 s, which no query takes.
const (
	firstKey = -240
	lastKey  = 64
)

// bounds are the upper bounds of the native buckets between 1/2 and 1.
var bounds = func() (b [nativePerTwo]float64) {
	for i := range b {
		b[i] = math.Exp2(float64(i)/nativePerTwo - 1)
	}
	return b
}()

// histogram counts durations in the buckets of a classic and of a native
// Prometheus histogram at once. It is counted without a lock, as three additions,
// and is dense: nothing is allocated once it is made.
type histogram struct {
	native  [lastKey - firstKey + 1]atomic.Uint64
	classic [maxClassic]atomic.Uint64 // not cumulative; beyond the last limit is not counted
	sum     atomic.Int64              // nanoseconds
}

// maxClassic bounds the limits of a classic histogram.
const maxClassic = 14

// observe counts d among limits, of which there are at most maxClassic. The order
// lets a scrape that comes between see the classic buckets never ahead of the
// native ones, of which the whole count is made.
func (h *histogram) observe(d time.Duration, limits []time.Duration) {
	d = max(d, 1)
	h.native[nativeKey(d.Seconds())-firstKey].Add(1)
	h.sum.Add(int64(d))
	for i, limit := range limits {
		if d <= limit {
			h.classic[i].Add(1)
			return
		}
	}
}

// nativeKey is the native bucket for v > 0: the one whose upper bound is
// 2^(key/8), as the documentation of Prometheus' native histograms has it.
func nativeKey(v float64) int {
	fraction, exponent := math.Frexp(v) // fraction in [1/2, 1)
	key := (exponent - 1) * nativePerTwo
	for _, b := range bounds {
		if fraction <= b {
			break
		}
		key++
	}
	return min(max(key, firstKey), lastKey)
}

// tally is a histogram at a moment, or several of them added up.
type tally struct {
	native  map[int]int64
	classic [maxClassic]uint64
	count   uint64
	sum     time.Duration
}

// add adds what h has counted. The classic buckets are read first; see observe.
func (t *tally) add(h *histogram) {
	for i := range h.classic {
		t.classic[i] += h.classic[i].Load()
	}
	t.sum += time.Duration(h.sum.Load())
	if t.native == nil {
		t.native = map[int]int64{}
	}
	for i := range h.native {
		if n := h.native[i].Load(); n > 0 {
			t.native[firstKey+i] += int64(n)
			t.count += n
		}
	}
}

// metric is the tally for Prometheus, in its classic and its native form.
func (t *tally) metric(desc *prometheus.Desc, limits []time.Duration, since time.Time, labels ...string) prometheus.Metric {
	classic, below := make(map[float64]uint64, len(limits)), uint64(0)
	for i, limit := range limits {
		below += t.classic[i]
		classic[limit.Seconds()] = below
	}
	native, schema := t.native, int32(nativeSchema)
	for len(native) > nativeLimit {
		native, schema = coarser(native), schema-1
	}
	sum := t.sum.Seconds()
	return bothForms{
		prometheus.MustNewConstHistogram(desc, t.count, sum, classic, labels...),
		prometheus.MustNewConstNativeHistogram(desc, t.count, sum, native, nil, 0, schema, zeroThreshold, since, labels...),
	}
}

// zeroThreshold is what a native histogram takes for zero: the value that
// Prometheus recommends. No duration is as short.
const zeroThreshold = 0x1p-128

// coarser joins each two neighbours, as the schema below has them.
func coarser(native map[int]int64) map[int]int64 {
	joined := make(map[int]int64, len(native))
	for key, n := range native {
		joined[(key+1)>>1] += n
	}
	return joined
}

// bothForms is one histogram that is written in its classic and its native form.
type bothForms struct {
	prometheus.Metric // classic
	native            prometheus.Metric
}

// Write implements prometheus.Metric.
func (b bothForms) Write(out *dto.Metric) error {
	if err := b.native.Write(out); err != nil {
		return err
	}
	var classic dto.Metric
	if err := b.Metric.Write(&classic); err != nil {
		return err
	}
	out.Histogram.Bucket = classic.Histogram.Bucket
	return nil
}
