package metrics

import (
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// What is counted here is what Prometheus' own histogram counts, in both forms.
func TestHistogramAgainstPrometheus(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	any := func(least, most float64) func() time.Duration { // evenly on a logarithmic scale
		return func() time.Duration { return time.Duration(least * math.Pow(most/least, random.Float64())) }
	}
	for name, draw := range map[string]func() time.Duration{
		"nothing":      nil,
		"one":          func() time.Duration { return 20 * time.Microsecond },
		"a cache":      any(2e3, 2e5),
		"exact limits": func() time.Duration { return queryLimits[random.IntN(len(queryLimits))] },
		"powers":       func() time.Duration { return 1 << random.IntN(36) },
		"all":          any(1, 100e9), // more buckets than are told
	} {
		limits := make([]float64, len(queryLimits))
		for i, l := range queryLimits {
			limits[i] = l.Seconds()
		}
		theirs := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Buckets: limits, NativeHistogramBucketFactor: 1.1,
			NativeHistogramMaxBucketNumber: nativeLimit, NativeHistogramZeroThreshold: zeroThreshold})
		var ours, more histogram
		for i := range 20000 {
			if draw == nil {
				break
			}
			d := draw()
			theirs.Observe(d.Seconds())
			[]*histogram{&ours, &more}[i%2].observe(d, queryLimits)
		}
		var sum tally
		sum.add(&ours)
		sum.add(&more)
		metric := sum.metric(queryDuration, queryLimits, time.Now(), "cached")
		var got, want dto.Metric
		if err := metric.Write(&got); err != nil {
			t.Fatal(err)
		}
		if err := theirs.Write(&want); err != nil {
			t.Fatal(err)
		}
		g, w := got.Histogram, want.Histogram
		if g.GetSampleCount() != w.GetSampleCount() || math.Abs(g.GetSampleSum()-w.GetSampleSum()) > 1e-6*(1+w.GetSampleSum()) ||
			g.GetSchema() != w.GetSchema() || g.GetZeroCount() != w.GetZeroCount() {
			t.Errorf("%s: count %d, sum %v, schema %d, zero %d; theirs: %d, %v, %d, %d", name, g.GetSampleCount(), g.GetSampleSum(), g.GetSchema(), g.GetZeroCount(),
				w.GetSampleCount(), w.GetSampleSum(), w.GetSchema(), w.GetZeroCount())
		}
		if a, b := populated(g), populated(w); !maps.Equal(a, b) {
			t.Errorf("%s: native %v\ntheirs: %v", name, a, b)
		}
		if len(g.Bucket) != len(w.Bucket) {
			t.Fatalf("%s: %d classic buckets, theirs %d", name, len(g.Bucket), len(w.Bucket))
		}
		for i := range g.Bucket {
			if !proto.Equal(g.Bucket[i], w.Bucket[i]) {
				t.Errorf("%s: bucket %v, theirs %v", name, g.Bucket[i], w.Bucket[i])
			}
		}
		if len(g.PositiveSpan) == 0 && g.GetZeroThreshold() == 0 {
			t.Errorf("%s: Prometheus takes it for a classic histogram only", name)
		}
	}
}

// populated are the native buckets by their key.
func populated(h *dto.Histogram) map[int32]int64 {
	all := map[int32]int64{}
	key, n, i := int32(0), int64(0), 0
	for _, span := range h.PositiveSpan {
		key += span.GetOffset()
		for range span.GetLength() {
			n += h.PositiveDelta[i]
			if i++; n != 0 {
				all[key] = n
			}
			key++
		}
	}
	return all
}

// Durations that no clock measures end in the outermost buckets.
func TestHistogramBounds(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-time.Second, 0, 1, 1 << 62} {
		h.observe(d, queryLimits)
	}
	var sum tally
	sum.add(&h)
	if want := map[int]int64{nativeKey(1e-9): 3, lastKey: 1}; sum.count != 4 || !maps.Equal(sum.native, want) {
		t.Errorf("%d: %v, want %v", sum.count, sum.native, want)
	}
}
