package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"go.yaml.in/yaml/v3"
)

// Where the files for Prometheus and Grafana are.
const (
	boardDir   = "metrics/grafana"
	alertsFile = "metrics/alerts.yml"
)

// board is what the tests read of a Grafana board.
type board struct {
	file string
	text []byte

	UID, Title, Description string
	SchemaVersion           int
	Panels                  []panel
	Templating              struct{ List []variable }
	Annotations             struct{ List []annotation }
	Links                   []struct{ URL string }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               datasource
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []target
	FieldConfig              struct{ Defaults struct{ Unit string } }
}

type target struct {
	RefID, Expr, LegendFormat string
	Datasource                datasource
	Instant, Range            bool
}

type variable struct {
	Name, Type, Definition string
	Datasource             datasource
}

type annotation struct {
	Name, Expr      string
	BuiltIn         int
	Datasource      datasource
	UseValueForTime bool
}

type datasource struct{ Type, UID string }

// chosen is the data source that whoever looks at a board has chosen.
var chosen = datasource{"prometheus", "${datasource}"}

// boards reads the boards as Grafana does.
func boards(t *testing.T) []board {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(boardDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no board in %s: %v", boardDir, err)
	}
	var all []board
	for _, file := range files {
		b := board{file: filepath.Base(file)}
		if b.text, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b.text, &b); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, b)
	}
	return all
}

// selector is a metric in an expression, with its matchers.
var selector = regexp.MustCompile(`\b(?:(?:deadpixel|process|go)_\w+|up\b)(\{[^}]*\})?`)

// Grafana shows the boards as they are, on every data source, and with what it
// brings along.
func TestBoards(t *testing.T) {
	core := []string{"timeseries", "stat", "table", "bargauge", "heatmap", "gauge", "state-timeline", "text", "row"}
	uids := map[string]bool{}
	for _, b := range boards(t) {
		fault := func(where, format string, args ...any) {
			t.Helper()
			t.Errorf("%s: %s: "+format, append([]any{b.file, where}, args...)...)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, bytes.TrimSpace(b.text), "", "  "); err != nil || indented.String()+"\n" != string(b.text) {
			fault("the file", "is not indented by two spaces, which makes differences hard to read")
		}
		if b.UID == "" || b.Title == "" || b.Description == "" || b.SchemaVersion < 39 || uids[b.UID] {
			fault("the board", "uid %q, title %q, description %q, schema %d", b.UID, b.Title, b.Description, b.SchemaVersion)
		}
		uids[b.UID] = true
		if regexp.MustCompile(`instance\s*=~?\s*\\"[^$]|\b\d+\.\d+\.\d+\.\d+\b|localhost`).Match(b.text) {
			fault("the board", "names an instance")
		}
		wantVariables(t, b)
		titles, ids := map[string]bool{}, map[int]bool{}
		for i, p := range b.Panels {
			at := p.Title
			if p.ID <= 0 || ids[p.ID] || p.Title == "" || titles[p.Title] && p.Type != "row" {
				fault(at, "id %d and title are not its own", p.ID)
			}
			ids[p.ID], titles[p.Title] = true, p.Type != "row"
			if !slices.Contains(core, p.Type) {
				fault(at, "%q is no panel that every Grafana has", p.Type)
			}
			g := p.GridPos
			if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
				fault(at, "it lies outside of the 24 columns: %+v", g)
			}
			for _, other := range b.Panels[:i] {
				o := other.GridPos
				if g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
					fault(at, "it lies on %q", other.Title)
				}
			}
			if p.Type == "row" || p.Type == "text" {
				continue
			}
			if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource != chosen || len(p.Targets) == 0 {
				fault(at, "description %q, unit %q, data source %v, %d queries", p.Description, p.FieldConfig.Defaults.Unit, p.Datasource, len(p.Targets))
			}
			for _, q := range p.Targets {
				if q.Datasource != chosen || q.LegendFormat == "" || q.Instant == q.Range {
					fault(at, "query %s: data source %v, legend %q, instant %v, range %v", q.RefID, q.Datasource, q.LegendFormat, q.Instant, q.Range)
				}
				for _, s := range selector.FindAllStringSubmatch(q.Expr, -1) {
					if !strings.Contains(s[1], `instance=~"$instance"`) {
						fault(at, "query %s: %s is of all instances", q.RefID, s[0])
					}
				}
			}
		}
		for _, a := range b.Annotations.List {
			if a.BuiltIn == 0 && (a.Name == "" || a.Datasource != chosen || !strings.Contains(a.Expr, `instance=~"$instance"`)) {
				fault(a.Name, "annotation of %v by %s", a.Datasource, a.Expr)
			}
		}
	}
	for _, b := range boards(t) {
		for _, uid := range regexp.MustCompile(`"/d/([\w-]+)`).FindAllSubmatch(b.text, -1) {
			if !uids[string(uid[1])] {
				t.Errorf("%s: a link leads to the board %q, which is not there", b.file, uid[1])
			}
		}
	}
}

// Grafana cannot run in a test; its own description of boards and panels knows every
// field that these have, and misses none.
func TestBoardsByTheirSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for _, b := range boards(t) {
		//lint:ignore SA1019 the newer schema is that of Grafana's API; a board to be imported has this one
		var d dashboard.Dashboard
		if err := d.UnmarshalJSONStrict(b.text); err != nil && err.Error() != "" { // it returns an empty list of errors
			t.Errorf("%s: %v", b.file, err)
		}
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", b.file, err)
		}
		if len(d.Panels) != len(b.Panels) {
			t.Errorf("%s: %d panels, want %d", b.file, len(d.Panels), len(b.Panels))
		}
	}
}

// wantVariables compares the variables that a board has with those that it uses.
func wantVariables(t *testing.T, b board) {
	t.Helper()
	has, used := map[string]bool{}, map[string]bool{}
	for _, v := range b.Templating.List {
		has[v.Name] = true
		if v.Type == "query" && v.Datasource != chosen {
			t.Errorf("%s: the variable %s is of %v", b.file, v.Name, v.Datasource)
		}
	}
	for _, m := range regexp.MustCompile(`\$\{?([a-z]\w*)`).FindAllSubmatch(b.text, -1) {
		used[string(m[1])] = true
	}
	for name := range has {
		if !used[name] {
			t.Errorf("%s: the variable %s changes nothing", b.file, name)
		}
	}
	for name := range used {
		if !has[name] {
			t.Errorf("%s: there is no variable %s", b.file, name)
		}
	}
}

// alert is one rule of the alerts.
type alert struct {
	Alert, Expr string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	readYAML(t, alertsFile, &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// Each alert fires when it should, and keeps silent when it should.
func TestAlerts(t *testing.T) {
	output(t, "promtool", "check", "rules", alertsFile)
	output(t, "promtool", "test", "rules", "metrics/alerts_test.yml")
	var tests struct {
		Tests []struct {
			Cases []struct {
				Name   string `yaml:"alertname"`
				Alerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "metrics/alerts_test.yml", &tests)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, one := range tests.Tests {
		for _, c := range one.Cases {
			fires[c.Name] = fires[c.Name] || len(c.Alerts) > 0
			silent[c.Name] = silent[c.Name] || len(c.Alerts) == 0
		}
	}
	for _, a := range alerts(t) {
		if !fires[a.Alert] || !silent[a.Alert] {
			t.Errorf("%s: a test lets it fire: %v; a test keeps it silent: %v", a.Alert, fires[a.Alert], silent[a.Alert])
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s: labels %v, annotations %v", a.Alert, a.Labels, a.Annotations)
		}
	}
}

// Containers cannot run in a test: what they are told is read, and holds together.
func TestCompose(t *testing.T) {
	output(t, "promtool", "check", "config", filepath.Join(boardDir, "prometheus.yml"))
	var compose struct {
		Services map[string]struct {
			Image          string
			Command        []string
			Ports, Volumes []string
			CapDrop        []string `yaml:"cap_drop"`
			Environment    map[string]string
			DependsOn      []string `yaml:"depends_on"`
		}
		Volumes map[string]any
	}
	readYAML(t, filepath.Join(boardDir, "compose.yml"), &compose)
	if len(compose.Services) != 2 {
		t.Errorf("services %v", compose.Services)
	}
	mounted := map[string]string{} // path in the containers -> path here
	for name, s := range compose.Services {
		if !regexp.MustCompile(`^[a-z]+/[a-z]+:v?\d+\.\d+\.\d+$`).MatchString(s.Image) {
			t.Errorf("%s: the image %q has no fixed version", name, s.Image)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network", name, port)
			}
		}
		if !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: it keeps capabilities", name)
		}
		for _, v := range s.Volumes {
			from, to, _ := strings.Cut(strings.TrimSuffix(v, ":ro"), ":")
			if _, named := compose.Volumes[from]; named {
				continue
			}
			mounted[to] = filepath.Join(boardDir, from)
			if _, err := os.Stat(mounted[to]); err != nil || !strings.HasSuffix(v, ":ro") {
				t.Errorf("%s: volume %s: %v", name, v, err)
			}
		}
		for _, other := range s.DependsOn {
			if _, ok := compose.Services[other]; !ok {
				t.Errorf("%s: it depends on %s, which is not there", name, other)
			}
		}
	}
	// here is the path on this machine of one in the containers.
	here := func(path string) string {
		for to, from := range mounted {
			if rest, ok := strings.CutPrefix(path, to+"/"); ok {
				return filepath.Join(from, rest)
			}
		}
		t.Errorf("%s is in no volume", path)
		return ""
	}
	file, _ := strings.CutPrefix(compose.Services["prometheus"].Command[0], "--config.file=")
	if here(file) != filepath.Join(boardDir, "prometheus.yml") {
		t.Errorf("Prometheus reads %s", here(file))
	}
	home := compose.Services["grafana"].Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if _, err := os.Stat(here(home)); err != nil {
		t.Errorf("Grafana begins with %s: %v", home, err)
	}

	var scraped struct {
		Global  map[string]string
		Configs []struct {
			Job string `yaml:"job_name"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, filepath.Join(boardDir, "prometheus.yml"), &scraped)
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, URL string
			JSONData             map[string]string `yaml:"jsonData"`
		}
	}
	readYAML(t, filepath.Join(here("/etc/grafana/provisioning/datasources"), "prometheus.yml"), &sources)
	if len(sources.Datasources) != 1 || sources.APIVersion != 1 {
		t.Fatalf("data sources %v", sources)
	}
	if s := sources.Datasources[0]; s.Type != chosen.Type || s.URL != "http://prometheus:9090" || s.UID == "" || s.JSONData["timeInterval"] != scraped.Global["scrape_interval"] {
		t.Errorf("data source %+v, scraped every %s", s, scraped.Global["scrape_interval"])
	}
	if len(scraped.Configs) != 1 || scraped.Configs[0].Job != "deadpixel" {
		t.Errorf("scraped: %v", scraped.Configs)
	}
	var provided struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type string
			Options    struct{ Path string }
		}
	}
	readYAML(t, filepath.Join(here("/etc/grafana/provisioning/dashboards"), "deadpixel.yml"), &provided)
	if len(provided.Providers) != 1 || provided.APIVersion != 1 || provided.Providers[0].Type != "file" || here(provided.Providers[0].Options.Path+"/deadpixel.json") != filepath.Join(boardDir, "deadpixel.json") {
		t.Errorf("boards %v", provided)
	}
}
