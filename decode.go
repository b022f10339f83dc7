package main

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decoder puts a TOML tree into a Config and collects what does not fit, so that
// all of it can be reported at once.
type decoder struct {
	file     string
	lines    lines
	problems []error
}

func (d *decoder) problem(key, format string, args ...any) {
	d.problems = append(d.problems, Problem{d.file, d.lines.of(key), fmt.Sprintf(format, args...)})
}

// table sets the fields of the struct that into points to. path is the table's
// key: "" for the file itself, with [n] after the name of an array of tables.
func (d *decoder) table(tree map[string]any, into any, path string) {
	v := reflect.ValueOf(into).Elem()
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("toml"); key != "" {
			fields[key] = v.Field(i)
		}
	}
	for key, value := range tree {
		full := key
		if path != "" {
			full = path + "." + key
		}
		field, known := fields[key]
		if !known {
			d.unknown(full, key, fields)
			continue
		}
		d.set(full, field, value)
	}
}

// unknown reports a key that no field has.
func (d *decoder) unknown(full, key string, fields map[string]reflect.Value) {
	plain := arrayIndex.ReplaceAllString(full, "")
	if what, ok := unbuilt[plain]; ok {
		d.problem(full, "%s: this version has no such feature yet (%s); remove the key", plain, what)
		return
	}
	if best := nearest(key, slices.Collect(maps.Keys(fields))); best != "" {
		d.problem(full, "unknown key %q: did you mean %q?", plain, best)
		return
	}
	d.problem(full, "unknown key %q; `deadpixel config` prints every key", plain)
}

// nearest is the name that was probably meant, "" when none is near.
func nearest(written string, known []string) string {
	best, distance := "", len(written)/2+1
	for _, name := range known {
		if n := editDistance(written, name); n < distance || n == distance && name < best {
			best, distance = name, n
		}
	}
	return best
}

// didYouMean is what an error about an unknown name ends in.
func didYouMean(written string, known []string) string {
	if best := nearest(written, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

func (d *decoder) set(key string, field reflect.Value, value any) {
	switch p := field.Addr().Interface().(type) {
	case *time.Duration:
		s, ok := value.(string)
		if !ok {
			d.wrong(key, value, `a duration in quotes, like "24h" or "400ms"`)
			return
		}
		t, err := time.ParseDuration(s)
		if err != nil || t < 0 {
			d.problem(key, "%s: %q is no duration: write it like \"24h\", \"10s\" or \"400ms\"", key, s)
			return
		}
		*p = t
	case *Size:
		n, err := parseSize(value)
		if err != nil {
			d.problem(key, "%s: %v", key, err)
			return
		}
		*p = n
	case *string:
		s, ok := value.(string)
		if !ok {
			d.wrong(key, value, "a string in quotes")
			return
		}
		*p = s
	case *bool:
		b, ok := value.(bool)
		if !ok {
			d.wrong(key, value, "true or false")
			return
		}
		*p = b
	case *int:
		n, ok := value.(int64)
		if !ok || n > math.MaxInt32 || n < math.MinInt32 {
			d.wrong(key, value, "a whole number")
			return
		}
		*p = int(n)
	case *[]string:
		if list, ok := d.strings(key, value); ok {
			*p = list
		}
	case *map[string][]string:
		tree, ok := value.(map[string]any)
		if !ok {
			d.wrong(key, value, "a table")
			return
		}
		*p = map[string][]string{}
		d.stringTable(key, "", tree, *p)
	case *[]ListConfig:
		tables(d, key, value, p, defaultList)
	case *[]TokenConfig:
		tables(d, key, value, p, func() TokenConfig { return TokenConfig{Scopes: []string{}} })
	case *[]ClientConfig:
		tables(d, key, value, p, func() ClientConfig { return ClientConfig{Match: []string{}, Groups: []string{}} })
	case *map[string]GroupConfig:
		d.groups(key, value, *p)
	default:
		tree, ok := value.(map[string]any)
		if !ok {
			d.wrong(key, value, "a table")
			return
		}
		d.table(tree, p, key)
	}
}

// stringTable reads a table whose keys are names. A name may be written without
// quotes, which TOML takes for tables in tables.
func (d *decoder) stringTable(key, prefix string, tree map[string]any, into map[string][]string) {
	for name, value := range tree {
		full := prefix + name
		if deeper, ok := value.(map[string]any); ok {
			d.stringTable(key, full+".", deeper, into)
			continue
		}
		if s, ok := value.(string); ok {
			value = []any{s}
		}
		if list, ok := d.strings(key+"."+full, value); ok {
			into[full] = list
		}
	}
}

func (d *decoder) strings(key string, value any) ([]string, bool) {
	list, ok := value.([]any)
	if !ok {
		d.wrong(key, value, `a list of strings, like ["a", "b"]`)
		return nil, false
	}
	out := make([]string, 0, len(list))
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			d.wrong(key, e, "a string in quotes inside the list")
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}

// tables reads an array of tables, each of which begins as empty is.
func tables[T any](d *decoder, key string, value any, into *[]T, empty func() T) {
	*into = []T{}
	if none, ok := value.([]any); ok && len(none) == 0 {
		return
	}
	entries, ok := value.([]map[string]any)
	if !ok {
		d.wrong(key, value, "[["+key+"]] tables")
		return
	}
	for i, tree := range entries {
		one := empty()
		d.table(tree, &one, fmt.Sprintf("%s[%d]", key, i))
		*into = append(*into, one)
	}
}

// groups reads the tables [groups.NAME]. The default one is there in any case.
func (d *decoder) groups(key string, value any, into map[string]GroupConfig) {
	all, ok := value.(map[string]any)
	if !ok {
		d.wrong(key, value, "[groups.NAME] tables")
		return
	}
	for name, value := range all {
		tree, ok := value.(map[string]any)
		if !ok {
			d.wrong(key+"."+name, value, "a table [groups."+name+"]")
			continue
		}
		g := defaultGroup()
		d.table(tree, &g, key+"."+name)
		into[name] = g
	}
}

func (d *decoder) wrong(key string, value any, want string) {
	d.problem(key, "%s: %v is %s, but %s is wanted", arrayIndex.ReplaceAllString(key, ""), value, tomlType(value), want)
}

func tomlType(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	}
	return "a list"
}

// units of sizes, longest first so that the suffix is found whole.
var units = []struct {
	suffix string
	bytes  int64
}{{"KIB", 1 << 10}, {"MIB", 1 << 20}, {"GIB", 1 << 30}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// parseSize reads "32MB", "64MiB" or plain bytes.
func parseSize(value any) (Size, error) {
	text := fmt.Sprint(value)
	number, factor := strings.ToUpper(strings.TrimSpace(text)), int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(n), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return 0, fmt.Errorf("%q is no size: write it like \"32MB\"", text)
	}
	return Size(n * factor), nil
}

// editDistance is how many letters have to be put in, taken out, changed or
// swapped with a neighbour to make b of a.
func editDistance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now := rows[0], rows[1], rows[2]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		rows = [3][]int{last, now, before}
	}
	return rows[1][len(b)]
}
