package lists

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// adguardRow is what AdGuard documents ("DNS filtering rules syntax") about one
// question to a list: blocked, allowed, untouched, or rewritten with what. Where no
// line makes a rule, the list is ignored, or a comment when none is reported.
type adguardRow struct {
	list  string // lines
	name  string
	qtype string // "" is A
	from  string // ADDRESS, =NAME or ADDRESS=NAME
	want  string
}

// In some places deadpixel promises something else than AdGuard, which the rows
// marked "ours" hold: a hosts line with a real address is no block and no answer,
// what would match every name is refused, a rule for a $ctag is ignored, since nobody
// has one.
var adguardRows = map[string][]adguardRow{
	"basics": {
		{"||shop.example^", "shop.example", "", "", "blocked"},
		{"||shop.example^", "www.shop.example", "", "", "blocked"},
		{"||shop.example^", "a.b.c.shop.example", "TXT", "", "blocked"},
		{"||shop.example^", "workshop.example", "", "", "untouched"},
		{"||shop.example^", "shop.example.org", "", "", "untouched"},
		{"||shop.example^", "example", "", "", "untouched"},
		{"||shop.example^\n@@||shop.example^", "shop.example", "", "", "allowed"},
		{"||shop.example^\n@@||shop.example^", "www.shop.example", "", "", "allowed"},
		{"||shop.example^\n@@||pay.shop.example^", "x.pay.shop.example", "", "", "allowed"},
		{"||shop.example^\n@@||pay.shop.example^", "play.shop.example", "", "", "blocked"},
		{"@@||shop.example^\n||pay.shop.example^", "pay.shop.example", "", "", "allowed"},
		{"@@||shop.example^", "other.example", "", "", "untouched"},
		{"shop.example", "shop.example", "", "", "blocked"},
		{"shop.example", "www.shop.example", "", "", "untouched"},
		{"shop.example", "shop.example.org", "", "", "untouched"},
		{"@@shop.example\n||example^", "shop.example", "", "", "allowed"},
		{"@@shop.example\n||example^", "www.shop.example", "", "", "allowed"},
		{"@@shop.example\n||example^", "workshop.example", "", "", "blocked"}, // ours: a mask that is a name stands for it and what is below
		{"shop.example$important", "www.shop.example", "", "", "blocked"},
		{"SHOP.Example", "shop.example", "", "", "blocked"},
		{"||SHOP.Example^", "www.shop.example", "", "", "blocked"},
		{"||köln.example^", "www.xn--kln-sna.example", "", "", "blocked"},
		{"  ||shop.example^  ", "shop.example", "", "", "blocked"},
		{"||example^", "deep.down.example", "", "", "blocked"},
	},
	"hosts lines": {
		{"0.0.0.0 shop.example", "shop.example", "", "", "blocked"},
		{"0.0.0.0 shop.example", "www.shop.example", "", "", "untouched"},
		{"127.0.0.1 shop.example store.example", "store.example", "AAAA", "", "blocked"},
		{"127.0.0.1\tshop.example\t\tstore.example # both", "shop.example", "", "", "blocked"},
		{":: shop.example", "shop.example", "", "", "blocked"},
		{"127.0.0.1 shop.example # store.example", "store.example", "", "", "untouched"},
		{"9.9.9.9 shop.example", "shop.example", "", "", "ignored"}, // ours
		{"127.0.0.1 localhost", "localhost", "", "", "ignored"},
		{"127.0.0.1 shop.example\n127.0.0.1 shop.example$badfilter", "shop.example", "", "", "blocked"},
		{"127.0.0.1 shop.example\n@@||shop.example^", "shop.example", "", "", "allowed"},
		{"@@127.0.0.1 shop.example", "shop.example", "", "", "ignored"},
	},
	"comments and what is for browsers": {
		{"! ||shop.example^", "shop.example", "", "", "comment"},
		{"# ||shop.example^", "shop.example", "", "", "comment"},
		{"#||shop.example^", "shop.example", "", "", "comment"},
		{"!", "shop.example", "", "", "comment"},
		{"[Adblock Plus 2.0]", "shop.example", "", "", "comment"},
		{"||shop.example^ # sells things", "shop.example", "", "", "blocked"},
		{"||shop.example^$client=Kids # sells things", "shop.example", "", "=Kids", "blocked"},
		{"##.advert", "shop.example", "", "", "ignored"},
		{"###advert", "shop.example", "", "", "ignored"},
		{"shop.example##.advert", "shop.example", "", "", "ignored"},
		{"shop.example#@#.advert", "shop.example", "", "", "ignored"},
		{"shop.example#?#div:has(.advert)", "shop.example", "", "", "ignored"},
		{"shop.example#$#body { margin: 0 }", "shop.example", "", "", "ignored"},
		{"shop.example#%#window.ads = 0", "shop.example", "", "", "ignored"},
		{"shop.example$$div[id=\"ad\"]", "shop.example", "", "", "ignored"},
		{"||shop.example^$third-party", "shop.example", "", "", "ignored"},
		{"||shop.example^$script,image", "shop.example", "", "", "ignored"},
		{"||shop.example^$important,popup", "shop.example", "", "", "ignored"},
		{"||shop.example^$popup,important", "shop.example", "", "", "ignored"},
		{"@@||shop.example^$document\n||shop.example^", "shop.example", "", "", "blocked"},
		{"||shop.example^$domain=news.example", "shop.example", "", "", "ignored"},
		{"||shop.example^$~third-party", "shop.example", "", "", "ignored"},
		{"||shop.example^$IMPORTANT", "shop.example", "", "", "ignored"},
		{"||shop.example^$ctag=device_tv", "shop.example", "", "", "ignored"}, // ours
		{"||shop.example^$ctag=~device_tv", "shop.example", "", "", "blocked"},
		{"||shop.example^$important,", "shop.example", "", "", "blocked"},
		{"||shop.example/banner.png", "shop.example", "", "", "ignored"},
		{"||shop.example/banner/*", "shop.example", "", "", "ignored"},
		{"||shop.example^banner^", "shop.example", "", "", "ignored"},
		{"|||shop.example^", "shop.example", "", "", "ignored"},
	},
	"anchors and wildcards": {
		{"ample.org|", "example.org", "", "", "blocked"},
		{"ample.org|", "example.org.com", "", "", "untouched"},
		{"|shop", "shop.example", "", "", "blocked"},
		{"|shop", "test.shop", "", "", "untouched"},
		{"|shop", "shopping.example", "", "", "blocked"},
		{"|shop.example|", "shop.example", "", "", "blocked"},
		{"|shop.example|", "www.shop.example", "", "", "untouched"},
		{"|shop.example^", "shop.example", "", "", "blocked"},
		{"|shop.example^", "shop.example.org", "", "", "untouched"},
		{"||shop.example|", "www.shop.example", "", "", "blocked"},
		{"||shop.example^|", "www.shop.example", "", "", "blocked"},
		{"||shop", "shop.example", "", "", "blocked"},
		{"||shop", "www.shopping.example", "", "", "blocked"},
		{"||shop", "workshop.example", "", "", "untouched"},
		{"||shop.", "shop.example", "", "", "blocked"},
		{"||shop.", "shopping.example", "", "", "untouched"},
		{"||shop.example", "shop.example.org", "", "", "blocked"},
		{"||shop.example", "x.shop.examples", "", "", "blocked"},
		{"shop.example^", "workshop.example", "", "", "blocked"},
		{"shop.example^", "shop.example.org", "", "", "untouched"},
		{"-track-", "img-track-7.shop.example", "", "", "blocked"},
		{"-track-", "track-7.shop.example", "", "", "untouched"},
		{".stat.", "a.stat.example", "", "", "blocked"},
		{".stat.", "stat.example", "", "", "untouched"},
		{"track*.example^", "untracked7.img.example", "", "", "blocked"},
		{"track*.example^", "track.example.org", "", "", "untouched"},
		{"||track*.example^", "track.example", "", "", "blocked"},
		{"||track*.example^", "x.track77.example", "", "", "blocked"},
		{"||track*.example^", "xtrack.example", "", "", "untouched"},
		{"||img.*.example^", "img.cdn.eu.example", "", "", "blocked"},
		{"||img.*.example^", "img.example", "", "", "untouched"},
		{"||*.shop.example^", "www.shop.example", "", "", "blocked"},
		{"||*.shop.example^", "shop.example", "", "", "untouched"},
		{"*.shop.example", "www.shop.example", "", "", "blocked"},
		{"*.shop.example", "shop.example", "", "", "untouched"},
		{"*shop*", "myshops.example", "", "", "blocked"},
		{"|*shop|", "my.workshop", "", "", "blocked"},
		{"|*shop|", "my.workshop.example", "", "", "untouched"},
		{"||shop.example^*", "www.shop.example", "", "", "blocked"},
		{"@@||good*.example^\n||example^", "www.good7.example", "", "", "allowed"},
		{"TRACK*.example^", "track1.example", "", "", "blocked"},
		{"*", "shop.example", "", "", "ignored"},
		{"||*^", "shop.example", "", "", "ignored"}, // ours
		{"ab", "ab.example", "", "", "ignored"},
	},
	"expressions": {
		{"/shop.*/", "workshop.example", "", "", "blocked"},
		{"/shop.*/", "example.org", "", "", "untouched"},
		{"/^shop[0-9]+\\./", "shop12.example", "", "", "blocked"},
		{"/^shop[0-9]+\\./", "www.shop12.example", "", "", "untouched"},
		{"/\\.example$/", "www.example", "", "", "blocked"},
		{"/\\.example$/", "www.example.org", "", "", "untouched"},
		{"/\\.example$/$dnstype=MX", "www.example", "MX", "", "blocked"},
		{"/\\.example$/$dnstype=MX", "www.example", "A", "", "untouched"},
		{"/SHOP/", "shop.example", "", "", "blocked"},
		{"/(shop|store)\\.example/", "store.example", "", "", "blocked"},
		{"/ad{2,3}s/", "addds.example", "", "", "blocked"},
		{"/shop/$important\n@@||shop.example^", "shop.example", "", "", "blocked"},
		{"||shop.example^\n@@/^shop/", "shop.example", "", "", "allowed"},
		{"||shop.example^$important\n@@/shop.*/$important", "shop.example", "", "", "allowed"},
		{"/^shop/$client=192.0.2.7", "shop.example", "", "192.0.2.7", "blocked"},
		{"/^shop/$client=192.0.2.7", "shop.example", "", "192.0.2.8", "untouched"},
		{"/^shop/$third-party", "shop.example", "", "", "ignored"},
		{"/shop(/", "shop.example", "", "", "ignored"},
		{"/(?=shop)/", "shop.example", "", "", "ignored"}, // ours: RE2
		{"/.*/", "shop.example", "", "", "ignored"},       // ours
		{"/.*/$denyallow=com|net", "shop.example", "", "", "blocked"},
		{"/.*/$denyallow=com|net", "shop.example.com", "", "", "untouched"},
	},
	"important": {
		{"||shop.example^\n@@||shop.example^", "shop.example", "", "", "allowed"},
		{"||shop.example^$important\n@@||shop.example^", "www.shop.example", "", "", "blocked"},
		{"||shop.example^\n@@||shop.example^$important", "www.shop.example", "", "", "allowed"},
		{"||shop.example^$important\n@@||shop.example^$important", "www.shop.example", "", "", "allowed"},
		{"||shop.example^$important\n@@||www.shop.example^", "www.shop.example", "", "", "blocked"},
		{"||www.shop.example^\n||example^$important\n@@||shop.example^", "www.shop.example", "", "", "blocked"},
		{"*shop*$important\n@@shop.example", "shop.example", "", "", "blocked"},
		{"||shop.example^$important,dnstype=A\n@@||shop.example^", "shop.example", "AAAA", "", "allowed"},
		{"||shop.example^$important,dnstype=A\n@@||shop.example^", "shop.example", "A", "", "blocked"},
		{"@@||shop.example^$important", "shop.example", "", "", "allowed"},
	},
	"badfilter": {
		{"||shop.example\n||shop.example$badfilter", "shop.example", "", "", "untouched"},
		{"||shop.example^\n||shop.example^$badfilter", "shop.example", "", "", "untouched"},
		{"||shop.example^$badfilter\n||shop.example^", "shop.example", "", "", "untouched"},
		{"||shop.example^\n@@||shop.example^\n@@||shop.example^$badfilter", "shop.example", "", "", "blocked"},
		{"||shop.example^\n@@||shop.example^$badfilter", "shop.example", "", "", "blocked"},
		{"||shop.example^\n||shop.example$badfilter", "shop.example", "", "", "blocked"},
		{"||shop.example^\n||www.shop.example^$badfilter", "www.shop.example", "", "", "blocked"},
		{"||shop.example^\nshop.example$badfilter", "shop.example", "", "", "blocked"},
		{"shop.example\nshop.example$badfilter", "shop.example", "", "", "untouched"},
		{"||shop.example^$important\n||shop.example^$badfilter", "shop.example", "", "", "blocked"},
		{"||shop.example^$important\n||shop.example^$badfilter,important", "shop.example", "", "", "untouched"},
		{"||shop.example^$important,dnstype=A\n||shop.example^$dnstype=A,badfilter,important", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnstype=A\n||shop.example^$dnstype=AAAA,badfilter", "shop.example", "", "", "blocked"},
		{"||shop.example^$dnstype=A\n||shop.example^$dnstype=~A,badfilter", "shop.example", "", "", "blocked"},
		{"||shop.example^$client=Kids\n||shop.example^$client=Kids,badfilter", "shop.example", "", "=Kids", "untouched"},
		{"||shop.example^$client=Kids\n||shop.example^$client='Kids',badfilter", "shop.example", "", "=Kids", "untouched"},
		{"||shop.example^$client=Kids\n||shop.example^$client=~Kids,badfilter", "shop.example", "", "=Kids", "blocked"},
		{"||shop.example^$denyallow=a.shop.example\n||shop.example^$denyallow=a.shop.example,badfilter", "shop.example", "", "", "untouched"},
		{"||shop.example^$denyallow=a.shop.example\n||shop.example^$badfilter", "shop.example", "", "", "blocked"},
		{"/^shop/\n/^shop/$badfilter", "shop.example", "", "", "untouched"},
		{"track*.example\ntrack*.example$badfilter", "track1.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=192.0.2.1,badfilter", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=NOERROR;A;192.0.2.1,badfilter", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=192.0.2.2,badfilter", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite\n@@||shop.example^$badfilter,dnsrewrite", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^\n||shop.example^\n||shop.example^$badfilter", "shop.example", "", "", "untouched"},
	},
	"dnstype": {
		{"||shop.example^$dnstype=AAAA", "shop.example", "AAAA", "", "blocked"},
		{"||shop.example^$dnstype=AAAA", "shop.example", "A", "", "untouched"},
		{"||shop.example^$dnstype=~A|~CNAME", "shop.example", "A", "", "untouched"},
		{"||shop.example^$dnstype=~A|~CNAME", "shop.example", "CNAME", "", "untouched"},
		{"||shop.example^$dnstype=~A|~CNAME", "www.shop.example", "MX", "", "blocked"},
		{"||shop.example^$dnstype=~TXT|MX", "shop.example", "MX", "", "blocked"},
		{"||shop.example^$dnstype=~TXT|MX", "shop.example", "A", "", "untouched"},
		{"||shop.example^$dnstype=MX|~TXT", "shop.example", "TXT", "", "untouched"},
		{"||shop.example^$dnstype=~MX|MX", "shop.example", "MX", "", "blocked"},
		{"||shop.example^$dnstype=A|HTTPS", "shop.example", "HTTPS", "", "blocked"},
		{"||shop.example^$dnstype=a|https", "shop.example", "HTTPS", "", "blocked"},
		{"||shop.example^$dnstype=~aaaa", "shop.example", "AAAA", "", "untouched"},
		{"||shop.example^$dnstype=Cname", "shop.example", "CNAME", "", "blocked"},
		{"||shop.example^$dnstype=TYPE65", "shop.example", "HTTPS", "", "blocked"},
		{"||shop.example^$dnstype=type65", "shop.example", "A", "", "untouched"},
		{"||shop.example^$dnstype=~DNAME", "shop.example", "A", "", "blocked"},
		{"||shop.example^$dnstype=SSHFP", "shop.example", "SSHFP", "", "blocked"},
		{"||shop.example^$dnstype=ANY", "shop.example", "A", "", "untouched"},
		{"||shop.example^$dnstype=BANANA", "shop.example", "A", "", "ignored"},
		{"||shop.example^$dnstype=A|BANANA", "shop.example", "A", "", "ignored"},
		{"||shop.example^$dnstype=~BANANA", "shop.example", "A", "", "ignored"},
		{"||shop.example^$dnstype=TYPE65536", "shop.example", "A", "", "ignored"},
		{"||shop.example^$dnstype=", "shop.example", "A", "", "ignored"},
		{"||shop.example^$dnstype=A|", "shop.example", "A", "", "ignored"},
		{"||shop.example^$dnstype", "shop.example", "A", "", "ignored"},
		{"||shop.example^$dnstype=~A,dnstype=AAAA", "shop.example", "AAAA", "", "blocked"},
		{"||shop.example^\n@@||shop.example^$dnstype=TXT", "shop.example", "TXT", "", "allowed"},
		{"||shop.example^\n@@||shop.example^$dnstype=TXT", "shop.example", "A", "", "blocked"},
		{"||*^$dnstype=HTTPS", "any.name.example", "HTTPS", "", "blocked"},
		{"*$dnstype=HTTPS", "any.name.example", "A", "", "untouched"},
		{"shop.example$dnstype=A", "shop.example", "A", "", "blocked"},
		{"shop.example$dnstype=A", "www.shop.example", "A", "", "blocked"},
		{"track*.example^$dnstype=A", "track1.example", "A", "", "blocked"},
		{"track*.example^$dnstype=A", "track1.example", "MX", "", "untouched"},
	},
	"denyallow": {
		{"*$denyallow=com|net", "shop.example.org", "", "", "blocked"},
		{"*$denyallow=com|net", "shop.example.com", "", "", "untouched"},
		{"*$denyallow=com|net", "example.net", "", "", "untouched"},
		{"*$denyallow=com|net", "com", "", "", "untouched"},
		{"*$denyallow=com|net", "telecom", "", "", "blocked"},
		{"*$denyallow=com|net", "com.example", "", "", "blocked"},
		{"||example^\n@@*$denyallow=com|example", "shop.example", "", "", "blocked"},
		{"||example^\n@@*$denyallow=com|net", "shop.example", "", "", "allowed"},
		{"@@*$denyallow=com|net", "example.com", "", "", "untouched"},
		{"||shop.example^$denyallow=my.shop.example", "shop.example", "", "", "blocked"},
		{"||shop.example^$denyallow=my.shop.example", "other.shop.example", "", "", "blocked"},
		{"||shop.example^$denyallow=my.shop.example", "my.shop.example", "", "", "untouched"},
		{"||shop.example^$denyallow=my.shop.example", "x.my.shop.example", "", "", "untouched"},
		{"||shop.example^$denyallow=my.shop.example", "tommy.shop.example", "", "", "blocked"},
		{"||shop.example^$denyallow=My.Shop.Example.", "my.shop.example", "", "", "untouched"},
		{"||shop.example^$denyallow=a.shop.example|b.shop.example|c.shop.example", "c.shop.example", "", "", "untouched"},
		{"||shop.example^$denyallow=a.shop.example|b.shop.example|c.shop.example", "d.shop.example", "", "", "blocked"},
		{"||shop.example^$denyallow=my.shop.example\n||example^", "my.shop.example", "", "", "blocked"},
		{"*$denyallow=com|net\n||track.example.com^", "track.example.com", "", "", "blocked"},
		{"/^shop/$denyallow=example", "shop.example", "", "", "untouched"},
		{"/^shop/$denyallow=example", "shop.example.org", "", "", "blocked"},
		{"||shop.example^$denyallow=", "shop.example", "", "", "ignored"},
		{"||shop.example^$denyallow=a b", "shop.example", "", "", "ignored"},
		{"||shop.example^$denyallow=*.shop.example", "shop.example", "", "", "ignored"},
	},
	"client": {
		{"||shop.example^\n@@||*^$client=127.0.0.1", "shop.example", "", "127.0.0.1", "allowed"},
		{"||shop.example^\n@@||*^$client=127.0.0.1", "shop.example", "", "127.0.0.2", "blocked"},
		{"||shop.example^$client=192.0.2.7", "www.shop.example", "", "192.0.2.7", "blocked"},
		{"||shop.example^$client=192.0.2.7", "www.shop.example", "", "192.0.2.70", "untouched"},
		{"||shop.example^$client=192.0.2.7", "shop.example", "", "", "untouched"},
		{"||shop.example^$client=192.0.2.7", "shop.example", "", "=192.0.2.7", "untouched"},
		{"||shop.example^$client=::ffff:192.0.2.7", "shop.example", "", "192.0.2.7", "blocked"},
		{"||shop.example^$client=2001:db8::7", "shop.example", "", "2001:db8::7", "blocked"},
		{"||shop.example^$client=2001:0DB8:0::7", "shop.example", "", "2001:db8::7", "blocked"},
		{"||shop.example^$client=2001:db8::7", "shop.example", "", "2001:db8::8", "untouched"},
		{"||shop.example^$client=192.168.0.0/24", "shop.example", "", "192.168.0.0", "blocked"},
		{"||shop.example^$client=192.168.0.0/24", "shop.example", "", "192.168.0.255", "blocked"},
		{"||shop.example^$client=192.168.0.0/24", "shop.example", "", "192.168.1.0", "untouched"},
		{"||shop.example^$client=192.168.0.77/24", "shop.example", "", "192.168.0.1", "blocked"},
		{"||shop.example^$client=2001:db8:7::/48", "shop.example", "", "2001:db8:7:1::1", "blocked"},
		{"||shop.example^$client=2001:db8:7::/48", "shop.example", "", "2001:db8:8::1", "untouched"},
		{"||shop.example^$client=0.0.0.0/0", "shop.example", "", "2001:db8::7", "untouched"},
		{`||shop.example^$client='Ann\'s phone'`, "shop.example", "", "192.0.2.7=Ann's phone", "blocked"},
		{`||shop.example^$client='Ann\'s phone'`, "shop.example", "", "192.0.2.7=Anns phone", "untouched"},
		{`||shop.example^$client="Ann's phone"`, "shop.example", "", "=Ann's phone", "blocked"},
		{`||shop.example^$client=Ann's,important`, "shop.example", "", "=Ann's", "blocked"},
		{`||shop.example^$client="The \"big\" one"`, "shop.example", "", `=The "big" one`, "blocked"},
		{`||shop.example^$client=~'Ann\'s\, Bob\'s\, and Eve\'s tablets'`, "shop.example", "", "=Ann's, Bob's, and Eve's tablets", "untouched"},
		{`||shop.example^$client=~'Ann\'s\, Bob\'s\, and Eve\'s tablets'`, "shop.example", "", "=Ann's", "blocked"},
		{`||shop.example^$client=~'Ann\'s\, Bob\'s\, and Eve\'s tablets'`, "shop.example", "", "", "blocked"},
		{`||shop.example^$client='Up\|Down'`, "shop.example", "", "=Up|Down", "blocked"},
		{`||shop.example^$client='Up|Down'`, "shop.example", "", "=Up|Down", "blocked"},
		{`||shop.example^$client=Up\|Down`, "shop.example", "", "=Up|Down", "blocked"},
		{`||shop.example^$client=Up\|Down`, "shop.example", "", "=Down", "untouched"},
		{"||shop.example^$client='TV #2' # upstairs", "shop.example", "", "=TV #2", "blocked"},
		{"||shop.example^$client=tv-2|tv-3", "shop.example", "", "=tv-3", "blocked"},
		{"||shop.example^$client=~Mum|~Dad|Children", "shop.example", "", "=Children", "blocked"},
		{"||shop.example^$client=~Mum|~Dad|Children", "shop.example", "", "=Mum", "untouched"},
		{"||shop.example^$client=~Mum|~Dad|Children", "shop.example", "", "=Dad", "untouched"},
		{"||shop.example^$client=~Mum|~Dad|Children", "shop.example", "", "=Guest", "untouched"},
		{"||shop.example^$client=~Mum|~Dad", "shop.example", "", "=Guest", "blocked"},
		{"||shop.example^$client=~Mum|~Dad", "shop.example", "", "", "blocked"},
		{"||shop.example^$client=~192.0.2.7", "shop.example", "", "192.0.2.7", "untouched"},
		{"||shop.example^$client=~192.0.2.7", "shop.example", "", "192.0.2.8", "blocked"},
		{"||shop.example^$client=192.0.2.0/24|~192.0.2.7", "shop.example", "", "192.0.2.7", "untouched"},
		{"||shop.example^$client=192.0.2.0/24|~192.0.2.7", "shop.example", "", "192.0.2.9", "blocked"},
		{"||shop.example^$client=192.0.2.0/24|~Mum", "shop.example", "", "192.0.2.9=Mum", "untouched"},
		{"||shop.example^$client=198.51.100.1|2001:db8::/32|Mum", "shop.example", "", "192.0.2.9=Mum", "blocked"},
		{"||shop.example^$client=198.51.100.1|2001:db8::/32|Mum", "shop.example", "", "2001:db8:f::=Dad", "blocked"},
		{"||shop.example^$client=198.51.100.1|2001:db8::/32|Mum", "shop.example", "", "192.0.2.9=Dad", "untouched"},
		{"||shop.example^$client=mum", "shop.example", "", "=Mum", "blocked"}, // ours: nobody names two devices alike but for case
		{"||shop.example^$client=Mum\n@@||shop.example^$client=~Mum", "shop.example", "", "=Mum", "blocked"},
		{"||shop.example^$client=Mum\n@@||shop.example^$client=~Mum", "shop.example", "", "=Dad", "allowed"},
		{"||shop.example^$client='~Mum'", "shop.example", "", "=~Mum", "blocked"},
		{"||shop.example^$client", "shop.example", "", "", "ignored"},
		{"||shop.example^$client=", "shop.example", "", "", "ignored"},
		{"||shop.example^$client=Mum|", "shop.example", "", "", "ignored"},
		{"||shop.example^$client=~", "shop.example", "", "", "ignored"},
		{"||shop.example^$client=''", "shop.example", "", "", "ignored"},
		{"||shop.example^$client='Mum", "shop.example", "", "", "ignored"},
		{`||shop.example^$client='Mum\'`, "shop.example", "", "", "ignored"},
		{"||shop.example^$client='Mum's'", "shop.example", "", "", "ignored"},
	},
	"several modifiers": {
		{"||shop.example^$client=127.0.0.1,dnstype=A", "shop.example", "A", "127.0.0.1", "blocked"},
		{"||shop.example^$client=127.0.0.1,dnstype=A", "shop.example", "AAAA", "127.0.0.1", "untouched"},
		{"||shop.example^$client=127.0.0.1,dnstype=A", "shop.example", "A", "192.0.2.7", "untouched"},
		{"||shop.example^$dnstype=A,client=127.0.0.1", "shop.example", "A", "127.0.0.1", "blocked"},
		{"||shop.example^$dnstype=A,client=127.0.0.1", "shop.example", "AAAA", "127.0.0.1", "untouched"},
		{"||shop.example^$denyallow=my.shop.example,dnstype=A,client=Mum,important\n@@||shop.example^", "shop.example", "A", "=Mum", "blocked"},
		{"||shop.example^$important,client=Mum,dnstype=A,denyallow=my.shop.example\n@@||shop.example^", "shop.example", "A", "=Mum", "blocked"},
		{"||shop.example^$client=Mum,important,denyallow=my.shop.example,dnstype=A\n@@||shop.example^", "my.shop.example", "A", "=Mum", "allowed"},
		{"||shop.example^$dnstype=A,denyallow=my.shop.example,important,client=Mum\n@@||shop.example^", "shop.example", "TXT", "=Mum", "allowed"},
		{"||shop.example^$client=\"a, b\",dnstype=A", "shop.example", "A", "=a, b", "blocked"},
		{"||shop.example^$client='a',dnstype=~A|~AAAA", "shop.example", "A", "=a", "untouched"},
		{"||shop.example^$client='a' , dnstype=A", "shop.example", "A", "=a", "blocked"},
		{"||shop.example^$dnsrewrite=192.0.2.1,client=Mum", "shop.example", "A", "=Mum", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$client=Mum,dnsrewrite=192.0.2.1", "shop.example", "A", "=Dad", "untouched"},
		{"||shop.example^$dnstype=AAAA,dnsrewrite=NOERROR;;", "shop.example", "AAAA", "", "rewritten NOERROR;;"},
		{"||shop.example^$dnsrewrite=NOERROR;;,dnstype=AAAA", "shop.example", "A", "", "untouched"},
		{"$dnstype=AAAA,denyallow=shop.example,dnsrewrite=NOERROR;;", "other.example", "AAAA", "", "rewritten NOERROR;;"},
		{"$dnstype=AAAA,denyallow=shop.example,dnsrewrite=NOERROR;;", "other.example", "A", "", "untouched"},
		{"$dnstype=AAAA,denyallow=shop.example,dnsrewrite=NOERROR;;", "www.shop.example", "AAAA", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1,third-party", "shop.example", "", "", "ignored"},
	},
	"dnsrewrite": {
		{"||shop.example^$dnsrewrite=192.0.2.1", "www.shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1", "other.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=2001:db8::1", "shop.example", "AAAA", "", "rewritten NOERROR;AAAA;2001:db8::1"},
		{"||shop.example^$dnsrewrite=safe.example.net", "shop.example", "", "", "rewritten NOERROR;CNAME;safe.example.net"},
		{"||shop.example^$dnsrewrite=Safe.Example.NET.", "shop.example", "", "", "rewritten NOERROR;CNAME;safe.example.net"},
		{"||shop.example^$dnsrewrite=REFUSED", "shop.example", "", "", "rewritten REFUSED;;"},
		{"||shop.example^$dnsrewrite=NXDOMAIN", "shop.example", "", "", "rewritten NXDOMAIN;;"},
		{"||shop.example^$dnsrewrite=SERVFAIL", "shop.example", "", "", "rewritten SERVFAIL;;"},
		{"||shop.example^$dnsrewrite=NOERROR", "shop.example", "", "", "rewritten NOERROR;;"},
		{"||shop.example^$dnsrewrite=NOERROR;A;192.0.2.1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=NOERROR;AAAA;2001:db8::1", "shop.example", "", "", "rewritten NOERROR;AAAA;2001:db8::1"},
		{"||shop.example^$dnsrewrite=NOERROR;CNAME;safe.example.net", "shop.example", "MX", "", "rewritten NOERROR;CNAME;safe.example.net"},
		{"||shop.example^$dnsrewrite=REFUSED;;", "shop.example", "", "", "rewritten REFUSED;;"},
		{"||shop.example^$dnsrewrite=NXDOMAIN;;", "shop.example", "", "", "rewritten NXDOMAIN;;"},
		{"||shop.example^$dnsrewrite=NOERROR;;", "shop.example", "", "", "rewritten NOERROR;;"},
		{"||shop.example^$dnsrewrite=NXDOMAIN;A;192.0.2.1", "shop.example", "", "", "rewritten NXDOMAIN;;"},
		{"shop.example$dnsrewrite=192.0.2.1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"shop.example$dnsrewrite=192.0.2.1", "www.shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"|shop.example^$dnsrewrite=192.0.2.1", "www.shop.example", "", "", "untouched"},
		{"shop*.example^$dnsrewrite=192.0.2.1", "shop7.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"/^shop/$dnsrewrite=192.0.2.1", "shop7.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=www.shop.example", "shop.example", "", "", "rewritten NOERROR;CNAME;www.shop.example"},
		{"||shop.example^$dnsrewrite=www.shop.example", "www.shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=refused", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=NXDOMIAN", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=nxdomain;;", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=NOERROR;A;2001:db8::1", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=NOERROR;AAAA;192.0.2.1", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=NOERROR;AAAA;::ffff:192.0.2.1", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=NOERROR;A;", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=NOERROR;;192.0.2.1", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=NOERROR;A", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=fe80::1%eth0", "shop.example", "", "", "ignored"},
		{"||shop.example^$dnsrewrite=NOERROR;TXT;hello", "shop.example", "", "", "ignored"}, // ours
		{"||shop.example^$dnsrewrite", "shop.example", "", "", "ignored"},
		{"$dnsrewrite=NXDOMAIN", "shop.example", "", "", "ignored"}, // ours
	},
	"several rewritings": {
		{"||shop.example^$dnsrewrite=NOERROR;A;192.0.2.1\n||shop.example^$dnsrewrite=NOERROR;A;192.0.2.2", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1 NOERROR;A;192.0.2.2"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=2001:db8::1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1 NOERROR;AAAA;2001:db8::1"},
		{"||example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=192.0.2.2", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.2 NOERROR;A;192.0.2.1"},
		{"||example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=192.0.2.1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=REFUSED", "shop.example", "", "", "rewritten REFUSED;;"},
		{"||shop.example^$dnsrewrite=safe.example.net\n||example^$dnsrewrite=REFUSED", "shop.example", "", "", "rewritten REFUSED;;"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=safe.example.net", "shop.example", "", "", "rewritten NOERROR;CNAME;safe.example.net"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=safe.example.net\n||shop.example^$dnsrewrite=NXDOMAIN;;", "shop.example", "", "", "rewritten NXDOMAIN;;"},
		{"||shop.example^$dnsrewrite=192.0.2.1,client=Mum\n||shop.example^$dnsrewrite=192.0.2.2,client=Dad", "shop.example", "", "=Dad", "rewritten NOERROR;A;192.0.2.2"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=192.0.2.2,important", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.2"},
		{"||shop.example^$dnsrewrite=REFUSED\n||shop.example^$important,dnsrewrite=192.0.2.2", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.2"},
	},
	"rewriting and other rules": {
		{"||shop.example^\n||shop.example^$dnsrewrite=192.0.2.1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||www.shop.example^", "www.shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"@@||shop.example^\n||shop.example^$dnsrewrite=192.0.2.1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$important\n||shop.example^$dnsrewrite=192.0.2.1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"@@||shop.example^$important\n||shop.example^$dnsrewrite=192.0.2.1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$important\n||shop.example^$dnsrewrite=192.0.2.1,important", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite", "shop.example", "", "", "untouched"},
		{"||shop.example^\n||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite", "shop.example", "", "", "blocked"},
		{"||shop.example^\n@@||shop.example^$dnsrewrite", "shop.example", "", "", "blocked"},
		{"@@||shop.example^$dnsrewrite", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=192.0.2.2\n@@||shop.example^$dnsrewrite=192.0.2.1", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.2"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=192.0.2.2\n@@||shop.example^$dnsrewrite", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite=192.0.2.9", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite=NOERROR;A;192.0.2.1", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=REFUSED\n||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite=REFUSED", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=safe.example.net\n@@||shop.example^$dnsrewrite=safe.example.net", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||my.shop.example^$dnsrewrite", "my.shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||my.shop.example^$dnsrewrite", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1,important\n@@||shop.example^$dnsrewrite", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1,important\n@@||shop.example^$dnsrewrite,important", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$important,dnsrewrite", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n||shop.example^$dnsrewrite=192.0.2.2,important\n@@||shop.example^$dnsrewrite=192.0.2.2,important", "shop.example", "", "", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite,client=Mum", "shop.example", "", "=Mum", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite,client=Mum", "shop.example", "", "=Dad", "rewritten NOERROR;A;192.0.2.1"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^$dnsrewrite,dnstype=TXT", "shop.example", "TXT", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@/^shop/$dnsrewrite", "shop.example", "", "", "untouched"},
		{"||shop.example^$dnsrewrite=192.0.2.1\n@@||shop.example^\n@@||shop.example^$dnsrewrite", "shop.example", "", "", "allowed"},
	},
}

func TestAdGuardSemantics(t *testing.T) {
	for about, table := range adguardRows {
		t.Run(about, func(t *testing.T) {
			for _, row := range table {
				row.check(t)
			}
		})
	}
}

func (row adguardRow) check(t *testing.T) {
	b, skipped := NewBuilder("t", Deny, Seed{4}), 0
	result, err := Parse(strings.NewReader(row.list), ParseOptions{List: "t", Format: Adblock, Kind: Deny}, b.Add, func(s Skip) {
		if skipped++; s.Reason == "" {
			t.Errorf("%q: skipped without a reason", row.list)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := row.want
	if want == "ignored" || want == "comment" {
		if result.Rules > 0 || (skipped > 0) != (want == "ignored") {
			t.Errorf("%q: %d rules, %d lines reported, want it %s", row.list, result.Rules, skipped, want)
		}
		want = None.String()
	}
	list := b.Build()
	again, err := ReadList(written(t, list, Seed{4}), Seed{4}, false)
	if err != nil {
		t.Fatal(err)
	}
	qtype, who := dnsTypes[row.qtype], row.who()
	if row.qtype == "" {
		qtype = dnsTypes["A"]
	}
	for how, set := range map[string]*Set{
		"alone":        NewSet(Seed{4}, list),
		"stored":       NewSet(Seed{4}, again),
		"among others": NewSet(Seed{4}, listOf(t, Seed{4}, "||elsewhere.example^"), list, listOf(t, Seed{4}, "@@||elsewhere.example^$dnstype=A")),
	} {
		v := set.Match([]byte(row.name), qtype, who)
		if got := verdictText(v); got != want {
			t.Errorf("%q, %s %s for %q, %s: %s, want %s", row.list, row.name, row.qtype, row.from, how, got, want)
		}
		var first Verdict
		if all := set.Explain([]byte(row.name), qtype, who); len(all) > 0 {
			first = all[0]
		}
		if v.Line == 0 { // not looked up where lists are joined
			v.Line = first.Line
		}
		if !reflect.DeepEqual(first, v) {
			t.Errorf("%q, %s %s for %q, %s: explained as %v, but it is %v", row.list, row.name, row.qtype, row.from, how, first, v)
		}
	}
}

// who asks; nil when the row does not say.
func (row adguardRow) who() *Who {
	address, name, _ := strings.Cut(row.from, "=")
	switch {
	case row.from == "":
		return nil
	case address == "":
		return &Who{Name: name}
	}
	return &Who{Address: netip.MustParseAddr(address), Name: name}
}

// verdictText is a verdict as a row has it.
func verdictText(v Verdict) string {
	text := v.Action.String()
	for _, r := range v.Rewrites() {
		text += " " + r.String()
	}
	return text
}

// listOf is an adblock list of which every line makes a rule.
func listOf(t testing.TB, seed Seed, text string) *List {
	t.Helper()
	b := NewBuilder("list", Deny, seed)
	if _, err := Parse(strings.NewReader(text), ParseOptions{List: "list", Format: Adblock, Kind: Deny}, b.Add, func(s Skip) { t.Error(s) }); err != nil {
		t.Fatal(err)
	}
	return b.Build()
}

// FuzzAdblockRule builds a list of one rule with modifiers and asks it for whom it
// may be made.
func FuzzAdblockRule(f *testing.F) {
	for _, table := range adguardRows {
		for _, row := range table {
			pattern, modifiers, _ := strings.Cut(row.list, "$")
			f.Add(pattern, modifiers)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, modifiers string) {
		b := NewBuilder("t", Deny, Seed{})
		_, err := Parse(strings.NewReader(pattern+"$"+modifiers), ParseOptions{List: "t", Format: Adblock, Kind: Deny}, func(r Rule) {
			if r.Rewrite != nil && !r.Rewrite.All {
				if again, err := parseRewriting(r.Rewrite.String()); err != nil || *again != *r.Rewrite {
					t.Errorf("%+v is written as %q, which is %+v, %v", r.Rewrite, r.Rewrite, again, err)
				}
			}
			for _, c := range r.Clients {
				if c.Network.IsValid() == (c.Name != "") || c.Network.IsValid() && c.Network != c.Network.Masked() {
					t.Errorf("%+v is no client", c)
				}
			}
			b.Add(r)
		}, func(s Skip) {
			if s.Reason == "" {
				t.Error("skipped without a reason")
			}
		})
		if err != nil {
			return
		}
		set := NewSet(Seed{}, b.Build())
		for _, who := range []*Who{nil, {}, {Address: netip.MustParseAddr("192.0.2.7"), Name: "Mum"}, {Lists: NewPlaces(1)}} {
			for _, name := range []string{"", "shop.example", "www.shop.example"} {
				v := set.Match([]byte(name), 1, who)
				all := set.Explain([]byte(name), 1, who)
				if (v.Action == None) != (len(all) == 0) || len(all) > 0 && !reflect.DeepEqual(all[0], v) {
					t.Errorf("%s: %v, explained as %v", name, v, all)
				}
				if v.Action == Rewrite && len(v.Rewrites()) == 0 || v.Action != None && who != nil && who.Lists != nil {
					t.Errorf("%s: %v", name, v)
				}
			}
			set.MatchAddress(netip.MustParseAddr("198.51.100.1"), 1, who)
		}
	})
}

// A list with rules of every kind says the same after it was stored.
func TestEveryRuleIsStored(t *testing.T) {
	text := ""
	for _, table := range adguardRows {
		for i, row := range table {
			for line := range strings.SplitSeq(row.list, "\n") {
				text += strings.ReplaceAll(line, "shop", fmt.Sprint("shop", i%7)) + "\n"
			}
		}
	}
	text += "||198.51.100.0/24^\n@@198.51.100.7$dnstype=A\n2001:db8::/32$client=Mum|192.0.2.0/24,important\n"
	b := NewBuilder("t", Deny, Seed{6})
	if _, err := Parse(strings.NewReader(text), ParseOptions{Format: Adblock, Kind: Deny}, b.Add, func(Skip) {}); err != nil {
		t.Fatal(err)
	}
	list := b.Build()
	stored := written(t, list, Seed{6})
	again, err := ReadList(stored, Seed{6}, false)
	if err != nil {
		t.Fatal(err)
	}
	if list.Entries() != again.Entries() || list.lengths != again.lengths {
		t.Errorf("%d rules, networks %v became %d, %v", list.Entries(), list.lengths, again.Entries(), again.lengths)
	}
	for i, of := range [][2][]complexRule{{list.complex, again.complex}, {list.patterns.rules, again.patterns.rules}} {
		for j := range of[0] {
			if !reflect.DeepEqual(of[0][j].Rule, of[1][j].Rule) {
				t.Errorf("%d: %+v became %+v", i, of[0][j].Rule, of[1][j].Rule)
			}
		}
	}
	if string(written(t, again, Seed{6})) != string(stored) {
		t.Error("stored again, it is another list")
	}
	old, now := NewSet(Seed{6}, list), NewSet(Seed{6}, again)
	for _, who := range []*Who{nil, {Name: "Mum"}, {Address: netip.MustParseAddr("192.0.2.9")}} {
		for _, ip := range []string{"198.51.100.7", "198.51.100.8", "2001:db8::1", "203.0.113.1"} {
			a, b := old.MatchAddress(netip.MustParseAddr(ip), 28, who), now.MatchAddress(netip.MustParseAddr(ip), 28, who)
			if verdictText(a) != verdictText(b) || a.Line != b.Line {
				t.Errorf("%s: %v became %v", ip, a, b)
			}
		}
	}
}
