package ui

import "testing"

func TestPageOfConfiguration(t *testing.T) {
	p, h := newPage(t, "")
	wants := []string{"<code>At the top</code>", "<code>[web]</code>", "<code>[lists[0]]</code>", "3 of 4 keys are not as by default",
		"<code>data_dir</code></dt><dd><code>&#34;/var/lib/deadpixel&#34;</code> <span class=\"source\">by default, said in $STATE_DIRECTORY",
		"<code>listen</code></dt><dd><code>&#34;&lt;b&gt;&#34;</code> <span class=\"source\">--web", "<code>&#34;…&#34;</code> <span class=\"source\">/etc/deadpixel/config.toml:7", "&lt;i&gt;unwise"}
	wantText(t, look(p, "/config"), wants, []string{"<b>", "<i>"})
	h.problems = []string{"list x: <u>404"}
	wantText(t, look(p, "/config"), []string{`<li class="problem">list x: &lt;u&gt;404</li>`}, nil)
	wantText(t, look(p, "/config", stranger...), []string{"on the machine itself only"}, []string{"data_dir", "unwise", "404", `href="/config"`})
	wantText(t, look(p, "/api/v1/config"), []string{`"key": "web.password_hash", "table": "web", "name": "password_hash", "value": "\"…\"", "default": false, "from": "/etc/deadpixel/config.toml:7", "secret": true`, `"warnings": [ "<i>unwise" ]`}, nil)
	for _, path := range []string{"/api/v1/config", "/api/v1/clients"} {
		if w := call(p, "GET", path, "", stranger...); w.Code != 403 {
			t.Errorf("%s: a stranger gets %d", path, w.Code)
		}
	}
	p.Running = func() Running { return Running{} }
	wantText(t, look(p, "/config"), []string{"Nothing that is known."}, nil)
	wantText(t, look(p, "/api/v1/config"), []string{`"settings": []`, `"problems": []`}, nil)
}
