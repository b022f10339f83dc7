package ui

import (
	"encoding/json"
	"testing"
	"time"
)

func TestWhole(t *testing.T) {
	type Inner struct {
		List []string            `json:"list"`
		Left []string            `json:"left,omitempty"`
		Map  map[string][]string `json:"map"`
	}
	type outer struct {
		Inner
		At   time.Time       `json:"at"`
		All  []Inner         `json:"inner"`
		None *Inner          `json:"none"`
		One  *Inner          `json:"one"`
		Raw  json.RawMessage `json:"raw"`
		own  []string
	}
	given := outer{All: []Inner{{Map: map[string][]string{"x": nil}}}, One: new(Inner), Raw: json.RawMessage("1"), own: []string{"kept"}}
	b, err := json.Marshal(whole(given))
	const want = `{"list":[],"map":{},"at":"0001-01-01T00:00:00Z","inner":[{"list":[],"map":{"x":[]}}],"none":null,"one":{"list":[],"map":{}},"raw":1}`
	if err != nil || string(b) != want {
		t.Errorf("got  %s, %v\nwant %s", b, err, want)
	}
	if given.All[0].List != nil || given.All[0].Map["x"] != nil || given.One.Map != nil {
		t.Error("what was given has changed")
	}
	if whole(nil) != nil {
		t.Error("nothing becomes something")
	}
}
