package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestRooms holds the packages to the direction of their imports: what a room
// must not know, and why.
func TestRooms(t *testing.T) {
	const (
		http       = "net/http"
		prometheus = "github.com/prometheus/client_golang/prometheus"
		tomlPkg    = "github.com/BurntSushi/toml"
		dnsPkg     = "github.com/miekg/dns"
		netlink    = "github.com/mdlayher/netlink"
		bolt       = "go.etcd.io/bbolt"
	)
	rules := []struct {
		room, never, why string
	}{
		{"deadpixel/lists", http, "sources are fetched by lists/fetch"},
		{"deadpixel/lists", prometheus, "counting is the business of metrics"},
		{"deadpixel/lists", tomlPkg, "only main reads the configuration"},
		{"deadpixel/lists", dnsPkg, "verdicts are about names, not about packets"},
		{"deadpixel/lists", "deadpixel/resolver", "imports point the other way"},
		{"deadpixel/resolver", http, "the walk knows no HTTP; only resolver/upstream does, for RFC 8484"},
		{"deadpixel/resolver", prometheus, "it tells an Observer"},
		{"deadpixel/resolver", tomlPkg, "only main reads the configuration"},
		{"deadpixel/resolver", "deadpixel/resolver/upstream", "it declares the Upstream that it needs"},
		{"deadpixel/resolver", netlink, "it declares the Neighbours that it needs; only resolver/neighbour asks the kernel"},
		{"deadpixel/resolver/serve", http, "it serves plain DNS"},
		{"deadpixel/resolver/serve", netlink, "it knows packets, not devices"},
		{"deadpixel/resolver/serve", prometheus, "it tells an Observer"},
		{"deadpixel/resolver/upstream", "deadpixel/resolver", "it knows servers, not queries of clients"},
		{"deadpixel/metrics", "deadpixel/ui", "main joins them"},
		{"deadpixel/ui", "deadpixel/metrics", "main joins them"},
		{"deadpixel/ui", "deadpixel/resolver", "it declares what it shows"},
		{"deadpixel/ui", prometheus, "it is handed the handler"},
		{"deadpixel/lists", bolt, "lists are files of their own"},
		{"deadpixel/resolver", bolt, "nothing on an answer's way waits for disk"},
		{"deadpixel/resolver", "deadpixel/metrics/history", "it tells an Observer"},
		{"deadpixel/metrics", bolt, "only metrics/history is on disk"},
		{"deadpixel/metrics", "deadpixel/metrics/history", "counters know nothing of a history"},
		{"deadpixel/metrics/history", http, "it knows no page"},
		{"deadpixel/metrics/history", prometheus, "it reads counters as numbers"},
		{"deadpixel/metrics/history", tomlPkg, "only main reads the configuration"},
		{"deadpixel/metrics/history", "deadpixel/ui", "main joins them"},
		{"deadpixel/ui", bolt, "it declares what it shows"},
	}
	deps := map[string]string{}
	for _, r := range rules {
		if _, known := deps[r.room]; !known {
			out, err := exec.Command("go", "list", "-deps", "./"+strings.TrimPrefix(r.room, "deadpixel/")).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			deps[r.room] = "\n" + string(out)
		}
		if strings.Contains(deps[r.room], "\n"+r.never+"\n") {
			t.Errorf("%s depends on %s, but %s", r.room, r.never, r.why)
		}
	}
}
