package ui

import (
	"net/http"
	"slices"
)

// Running is the configuration as it runs.
type Running struct {
	File     string    `json:"file"`
	Settings []Setting `json:"settings"`
	Warnings []string  `json:"warnings"` // what is allowed but unwise
	Problems []string  `json:"problems"`
}

// Setting is a key of the configuration.
type Setting struct {
	Key     string `json:"key"`
	Table   string `json:"table"` // "" for the keys in front of the first
	Name    string `json:"name"`  // in the table
	Value   string `json:"value"` // in TOML; what could open something is left out
	Default bool   `json:"default"`
	From    string `json:"from"`   // file:line, a flag, or what else decided; "" where nothing says it
	Secret  bool   `json:"secret"` // the value can hold one, so that not all of it is shown
}

// settingsTable is a table of the configuration.
type settingsTable struct {
	Name     string // "" for the keys in front of the first
	Settings []Setting
}

// newTables puts settings under the tables in which they stand.
func newTables(all []Setting) []settingsTable {
	var tables []settingsTable
	for _, s := range all {
		at := slices.IndexFunc(tables, func(t settingsTable) bool { return t.Name == s.Table })
		if at < 0 {
			at = len(tables)
			tables = append(tables, settingsTable{Name: s.Table})
		}
		tables[at].Settings = append(tables[at].Settings, s)
	}
	return tables
}

// config is the page about the configuration.
func (p *Page) config(w http.ResponseWriter, r *http.Request) {
	v := struct {
		frame
		Running
		Tables  []settingsTable
		Changed int // keys that are not as by default
	}{frame: p.frame(r, configTitle, "/config")}
	if v.MayChange {
		v.Running = p.Running()
		v.Tables = newTables(v.Settings)
		for _, s := range v.Settings {
			if !s.Default {
				v.Changed++
			}
		}
	}
	p.show(w, r, http.StatusOK, "config.html", v)
}

// configuration answers with what the page shows.
func (p *Page) configuration(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, p.Running())
}
