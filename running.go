package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"deadpixel/ui"
)

// discretion says how the values of keys are shown that can hold a secret: whoever
// sees the configuration as it runs must not learn what opens something. The index of
// an array is "[]", a name that the user chose "*". A test finds new keys whose name
// looks like it and which are not here.
var discretion = map[string]func(value string) string{
	"web.password_hash":  hide,
	"upstream.servers":   hostOnly,
	"upstream.bootstrap": hostOnly,
	"upstream.routes.*":  hostOnly,
	"groups.*.upstream":  hostOnly,
	"lists[].source":     withoutAccount,
	"owners.source":      withoutAccount,
	"privacy.log_to":     withoutAccount,
	"web.tokens[].hash":  hide,
}

// harmless are keys of which only the name looks like it.
var harmless = map[string]bool{
	"dns.private_key": true, // where the file is
}

// hidden stands for what is not shown.
const hidden = "…"

func hide(string) string { return hidden }

// hostOnly is an upstream without its path, which can hold an account, and without
// whoever is named in it.
func hostOnly(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "", address
	}
	host, path := cutHost(rest)
	if len(path) > 1 {
		host += "/" + hidden
	}
	if ok {
		return scheme + "://" + host
	}
	return host
}

// withoutAccount is a URL without user name, password and query; what is none stays.
func withoutAccount(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	host, path := cutHost(rest)
	if before, _, has := strings.Cut(path, "?"); has {
		path = before + "?" + hidden
	}
	path, _, _ = strings.Cut(path, "#")
	return scheme + "://" + host + path
}

// cutHost takes apart what follows the scheme of a URL. Who is named before the host is
// not told.
func cutHost(rest string) (host, path string) {
	end := len(rest)
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		end = at
	}
	host, path = rest[:end], rest[end:]
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = hidden + host[at:]
	}
	return host, path
}

// looksHashed finds what `deadpixel password` or another program made of a password.
var looksHashed = regexp.MustCompile(`^\$(argon2|2[abxy]?\$|[1567]\$|y\$|scrypt|pbkdf2)`)

// shown is a value as it may be shown: as discretion says, and in any case without
// accounts in URLs and without hashes of passwords.
func shown(place, value string) string {
	if how, decided := discretion[place]; decided {
		if value == "" {
			return ""
		}
		return how(value)
	}
	if looksHashed.MatchString(value) {
		return hidden
	}
	return withoutAccount(value)
}

// urls finds those in a message.
var urls = regexp.MustCompile(`[a-z][a-z0-9+.-]*://[^\s"'<>]+`)

// discreet is a message without what URLs in it can hold.
func discreet(message string) string { return urls.ReplaceAllStringFunc(message, hostOnly) }

// settings are all keys of c with their values, in the order of the struct.
func (c *Config) settings() []ui.Setting {
	w := settingsWalk{c: c}
	w.structure(reflect.ValueOf(c).Elem(), reflect.ValueOf(defaults()).Elem(), "", "")
	return w.all
}

// settingsWalk goes through the configuration beside the default one.
type settingsWalk struct {
	c   *Config
	all []ui.Setting
}

// spot is where a value stands: its key in a table.
type spot struct{ table, name string }

func (s spot) key() string { return below(s.table, s.name) }

// structure adds the keys of a table. key is its own; place is that with no index and
// no chosen name.
func (w *settingsWalk) structure(v, standard reflect.Value, key, place string) {
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("toml"); name != "" {
			w.value(v.Field(i), standard.Field(i), spot{key, name}, below(place, name))
		}
	}
}

func below(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func (w *settingsWalk) value(v, standard reflect.Value, at spot, place string) {
	same := reflect.DeepEqual(v.Interface(), standard.Interface())
	switch {
	case v.Kind() == reflect.Struct:
		w.structure(v, standard, at.key(), place)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Len() > 0:
		for i := range v.Len() {
			entry := emptyEntry(v.Type().Elem())
			if same {
				entry = standard.Index(i)
			}
			w.structure(v.Index(i), entry, fmt.Sprintf("%s[%d]", at.key(), i), place+"[]")
		}
	case v.Kind() == reflect.Map && v.Len() > 0:
		for _, name := range slices.Sorted(maps.Keys(names(v))) {
			one := v.MapIndex(reflect.ValueOf(name))
			entry := emptyEntry(one.Type())
			if there := standard.MapIndex(reflect.ValueOf(name)); there.IsValid() {
				entry = there
			}
			w.value(one, entry, spot{at.key(), name}, below(place, "*"))
		}
	default:
		w.add(v, same, at, place)
	}
}

// names are the keys of a map whose keys are strings.
func names(v reflect.Value) map[string]bool {
	all := map[string]bool{}
	for _, k := range v.MapKeys() {
		all[k.String()] = true
	}
	return all
}

// emptyEntry is what an entry of a table of the user's own begins as.
func emptyEntry(t reflect.Type) reflect.Value {
	switch t {
	case reflect.TypeFor[ListConfig]():
		return reflect.ValueOf(defaultList())
	case reflect.TypeFor[GroupConfig]():
		return reflect.ValueOf(defaultGroup())
	}
	return reflect.Zero(t)
}

func (w *settingsWalk) add(v reflect.Value, standard bool, at spot, place string) {
	key := at.key()
	one := ui.Setting{Key: key, Table: at.table, Name: at.name, Value: inTOML(v, place), Default: standard, Secret: discretion[place] != nil}
	switch flag, line := w.c.flags[key], w.c.lines[key]; {
	case flag != "":
		one.From = flag
	case line > 0:
		one.From = fmt.Sprintf("%s:%d", w.c.file, line)
	}
	w.all = append(w.all, one)
}

// inTOML is a value as config.toml would have it, and as it may be shown.
func inTOML(v reflect.Value, place string) string {
	switch x := v.Interface().(type) {
	case string:
		return quoted(shown(place, x))
	case time.Duration:
		return quoted(brief(x))
	case Size:
		return quoted(x.String())
	case []string:
		all := make([]string, len(x))
		for i := range x {
			all[i] = quoted(shown(place, x[i]))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	switch v.Kind() {
	case reflect.Slice:
		return "[]"
	case reflect.Map:
		return "{}"
	}
	return fmt.Sprint(v.Interface())
}

// quoted writes a string as TOML has it (TOML 1.0, "String").
func quoted(s string) string {
	b := []byte{'"'}
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < ' ' || c == 0x7f:
			b = fmt.Appendf(b, `\u%04X`, c)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return string(append(b, '"'))
}

// brief writes a duration without the units of which it has none.
func brief(d time.Duration) string {
	s := d.String()
	if s, ok := strings.CutSuffix(s, "m0s"); ok {
		s += "m"
		if hours, ok := strings.CutSuffix(s, "h0m"); ok {
			return hours + "h"
		}
		return s
	}
	return s
}

// String writes a size in the largest unit of which it is a whole number.
func (s Size) String() string {
	for _, u := range []struct {
		name  string
		bytes Size
	}{{"GB", 1e9}, {"GiB", 1 << 30}, {"MB", 1e6}, {"MiB", 1 << 20}, {"KB", 1e3}, {"KiB", 1 << 10}} {
		if s > 0 && s%u.bytes == 0 {
			return fmt.Sprintf("%d%s", s/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// refusal is a configuration that was not taken.
type refusal struct {
	at       time.Time
	problems []error
}

// running is the configuration as it runs, for who may see it.
func (s *server) running() ui.Running {
	g := s.current.Load()
	r := ui.Running{File: g.config.file, Settings: g.config.settings()}
	s.actual(g.config, r.Settings)
	for _, w := range g.config.warnings() {
		r.Warnings = append(r.Warnings, discreet(w.Error()))
	}
	if refused := s.refused.Load(); refused != nil {
		for _, problem := range refused.problems {
			r.Problems = append(r.Problems, discreet(fmt.Sprintf("the configuration of %s was refused, and the one before runs on: %v", refused.at.In(g.zone).Format(time.DateTime), problem)))
		}
	}
	problems := slices.Clone(g.mistakes)
	if g.owners.remote {
		problems = append(problems, each(errors.Join(g.config.unknownTo(g.owners.data.Load())...))...)
	}
	for _, l := range g.store.Status() {
		if l.LastError != "" {
			problems = append(problems, fmt.Errorf("list %s: %s", l.Name, l.LastError))
		}
		if l.Skipped > 0 {
			r.Warnings = append(r.Warnings, fmt.Sprintf("list %s: %d of its lines make no rule", l.Name, l.Skipped))
		}
	}
	for _, problem := range problems {
		r.Problems = append(r.Problems, discreet(problem.Error()))
	}
	return r
}

// actual puts in what is in use where the configuration leaves that open.
func (s *server) actual(c *Config, settings []ui.Setting) {
	put := func(key, value, from string) {
		if at := slices.IndexFunc(settings, func(o ui.Setting) bool { return o.Key == key }); at >= 0 {
			settings[at].Value, settings[at].From = value, from
		}
	}
	if c.DataDir == "" {
		from := "the user's state directory"
		if os.Getenv("STATE_DIRECTORY") != "" {
			from = "$STATE_DIRECTORY"
		}
		put("data_dir", quoted(s.dataDir(c)), from)
	}
	if len(s.inherited.dns) > 0 {
		var all []string
		for _, a := range s.dns.Addrs() {
			all = append(all, quoted(a.String()))
		}
		put("dns.listen", "["+strings.Join(all, ", ")+"]", "socket activation")
	}
	if s.inherited.web != nil {
		put("web.listen", quoted(s.inherited.web.Addr().String()), "socket activation")
	}
}
