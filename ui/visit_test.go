package ui

import (
	"net/netip"
	"strings"
	"testing"
)

// proxied pages are behind two proxies, of one network and one address.
func proxiedPage(t *testing.T, password string) (*Page, *house) {
	p, h := newPage(t, password)
	p.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	return p, h
}

// What a proxy says of a request counts only where it is trusted, and only what it can
// know itself.
func TestVisit(t *testing.T) {
	p, h := proxiedPage(t, "")
	cases := []struct {
		name, headers string // separated by "; "
		from          string
		device        string // "" when nobody can say
		status        int
	}{
		{"no proxy", "", "192.168.1.5", "192.168.1.5", 200},
		{"a trusted one", "X-Forwarded-For: 192.168.1.7", "10.0.0.1", "192.168.1.7", 200},
		{"two of them", "X-Forwarded-For: 192.168.1.7, 10.0.0.2", "10.0.0.1", "192.168.1.7", 200},
		{"what a client wrote before them", "X-Forwarded-For: 192.168.1.1, 192.168.1.7, 10.0.0.2", "10.0.0.1", "192.168.1.7", 200},
		{"only proxies", "X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.1", "10.0.0.3", 200},
		{"with a port", "X-Forwarded-For: 192.168.1.7:4711", "10.0.0.1", "192.168.1.7", 200},
		{"IPv6", "X-Forwarded-For: fd00::7", "10.0.0.1", "fd00::7", 200},
		{"mapped", "X-Forwarded-For: ::ffff:192.168.1.7", "10.0.0.1", "192.168.1.7", 200},
		{"Forwarded", `Forwarded: for="[fd00::7]:4711";proto=https;host=dns.example`, "10.0.0.1", "fd00::7", 200},
		{"both, and they agree", "X-Forwarded-For: 192.168.1.7; Forwarded: for=192.168.1.7", "10.0.0.1", "192.168.1.7", 200},
		{"both, and they do not", "X-Forwarded-For: 192.168.1.7; Forwarded: for=192.168.1.8", "10.0.0.1", "", 400},
		{"no address", "X-Forwarded-For: me", "10.0.0.1", "", 400},
		{"hidden by the proxy", "Forwarded: for=_hidden", "10.0.0.1", "", 400},
		{"Forwarded that is none", `Forwarded: for="x`, "10.0.0.1", "", 400},
		{"from outside", "X-Forwarded-For: 203.0.113.5", "10.0.0.1", "", 403},
		{"for a foreign name", "X-Forwarded-For: 192.168.1.7; X-Forwarded-Host: evil.example", "10.0.0.1", "", 421},
		{"only who it is for", "Via: 1.1 proxy", "10.0.0.1", "", 403},
		{"a stranger who says so", "X-Forwarded-For: 192.168.1.7", "192.168.1.5", "", 403},
		{"a header of nobody's", "X-Real-IP: 192.168.1.7", "10.0.0.1", "", 403},
	}
	for _, c := range cases {
		h.erased = netip.Addr{}
		words := append(strings.Split(c.headers, "; "), "from="+c.from, "host=192.168.1.2")
		w := call(p, "DELETE", "/api/v1/privacy/me", "", words...)
		device := ""
		if h.erased.IsValid() {
			device = h.erased.String()
		}
		if w.Code != c.status || device != c.device {
			t.Errorf("%s: %d for %q, want %d for %q: %s", c.name, w.Code, device, c.status, c.device, w.Body)
		}
		// Whoever is behind a proxy, trusted or not, is not at the machine itself.
		if c.headers != "" {
			words = append(strings.Split(c.headers, "; "), "from=127.0.0.1")
			if w := call(p, "POST", "/api/v1/pause", "{}", words...); w.Code == 200 {
				t.Errorf("%s: pausing without a password: %d", c.name, w.Code)
			}
		}
	}
}

// Cookies are for TLS only where the browser speaks it, and bound where that is possible.
func TestCookies(t *testing.T) {
	p, _ := proxiedPage(t, "correct horse")
	cases := []struct {
		name, base string
		words      []string
		cookie     string
		secure     bool
	}{
		{"plain", "", nil, plainCookie, false},
		{"TLS at a trusted proxy", "", []string{"X-Forwarded-For: 192.168.1.7", "X-Forwarded-Proto: https", "from=10.0.0.1"}, boundCookie, true},
		{"TLS at a stranger's", "", []string{"X-Forwarded-For: 192.168.1.7", "X-Forwarded-Proto: https", "from=192.168.1.5"}, plainCookie, false},
		{"TLS below a path", "/dns", []string{"X-Forwarded-For: 192.168.1.7", "X-Forwarded-Proto: https", "from=10.0.0.1"}, plainCookie, true},
	}
	for _, c := range cases {
		p.Base = c.base
		w := call(p, "POST", "/login", "password=correct+horse", append(c.words, form, "host=dns.example")...)
		cookies := w.Result().Cookies()
		if len(cookies) != 1 || cookies[0].Name != c.cookie || cookies[0].Secure != c.secure {
			t.Errorf("%s: %d, %v", c.name, w.Code, cookies)
			continue
		}
		session := "Cookie: " + cookies[0].Name + "=" + cookies[0].Value
		if w := call(p, "POST", "/api/v1/pause", "{}", append(c.words, session, "host=dns.example")...); w.Code != 200 {
			t.Errorf("%s: the session is not known: %d", c.name, w.Code)
		}
	}
}

func TestCheckBase(t *testing.T) {
	for path, good := range map[string]bool{"/": true, "/dns": true, "/dns/": true, "/a/b-c_d.e~f/": true, "": false, "dns": false, "//": false, "/dns//x": false, "/../x": false, "/a/./": false,
		"/d ns": false, "/ä": false, "/api": false, "/api/v2": false, "/static/": false, "/why": false, "/<x>": false} {
		if err := CheckBase(path); (err == nil) != good {
			t.Errorf("%q: %v", path, err)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"for=192.0.2.43", `for="[2001:db8::17]:4711";proto=http;by=203.0.113.43, for=198.51.100.17`, `for="\"";`, ",,;=", "For=unknown;for=x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		hops, err := parseForwarded([]string{line})
		if err != nil && hops != nil {
			t.Errorf("%q: both %v and %v", line, hops, err)
		}
		if len(hops) > strings.Count(line, ",")+1 {
			t.Errorf("%q: %d hops", line, len(hops))
		}
	})
}
