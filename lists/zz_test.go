package lists

import (
	"bytes"
	"os"
	"testing"
)

func BenchmarkZZ(b *testing.B) {
	text, err := os.ReadFile("/tmp/x/million.txt")
	if err != nil {
		b.Skip()
	}
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			Parse(bytes.NewReader(text), ParseOptions{List: "x", Format: Domains, Match: MatchSubtree, Kind: Deny}, func(Rule) {}, func(Skip) {})
		}
	})
	b.Run("build", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bu := NewBuilder("x", Deny, Seed{1})
			Parse(bytes.NewReader(text), ParseOptions{List: "x", Format: Domains, Match: MatchSubtree, Kind: Deny}, bu.Add, func(Skip) {})
			bu.Build()
		}
	})
}
