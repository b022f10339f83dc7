package owners

import (
	"slices"
	"testing"
)

func TestLookup(t *testing.T) {
	cases := []struct {
		name, company string
		known         bool
	}{
		{"facebook.com", "Meta", true},
		{"pixel.facebook.com", "Meta", true},
		{"a.b.doubleclick.net", "Google", true},
		{"notfacebook.com", "", false},
		{"example.org", "", false},
		{"com", "", false},
		{"", "", false},
	}
	for _, c := range cases {
		o, known := Lookup(Embedded(), c.name)
		if o.Company != c.company || known != c.known {
			t.Errorf("%q: %+v, %v, want %q, %v", c.name, o, known, c.company, c.known)
		}
	}
}

func TestCompanies(t *testing.T) {
	all := Embedded().Companies()
	if len(all) < 1000 || !slices.Contains(all, "Meta") || slices.Contains(all, "") {
		t.Errorf("%d companies, such as %q", len(all), all[:3])
	}
	if !slices.IsSorted(all) {
		t.Error("not sorted")
	}
}
