package owners

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// json reads a file of Disconnect or of AdGuard, told apart by what is in it.
func (t *table) json(text string) error {
	all, err := object([]byte(text), "")
	if err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("line %d: %w", 1+strings.Count(text[:min(int(syntax.Offset), len(text))], "\n"), syntax)
		}
		return err
	}
	for _, kind := range []struct {
		has  string
		read func(map[string]json.RawMessage) error
	}{{"trackerDomains", t.adguardTrackers}, {"companies", t.adguardCompanies}, {"entities", t.disconnectEntities}, {"categories", t.disconnectServices}} {
		if _, has := all[kind.has]; has {
			return kind.read(all)
		}
	}
	return errors.New(`neither Disconnect's JSON ("categories" or "entities") nor AdGuard's ("trackerDomains" or "companies")`)
}

// disconnectCategories are those of services.json in our words, in the order in
// which they count for a domain that is in several.
var disconnectCategories = [...]struct{ theirs, ours string }{
	{"Advertising", "advertising"}, {"Analytics", "site_analytics"}, {"Social", "social_media"}, {"ConsentManagers", "consent"},
	{"FingerprintingInvasive", "fingerprinting"}, {"FingerprintingGeneral", "fingerprinting"}, {"Cryptomining", "cryptomining"},
	{"Email", "email"}, {"EmailAggressive", "email"}, {"Anti-fraud", "anti_fraud"}, {"Content", "content"},
}

// disconnectServices reads services.json of Disconnect: by category, a list of
// companies, each with its sites and their domains.
func (t *table) disconnectServices(all map[string]json.RawMessage) error {
	categories, err := object(all["categories"], "categories")
	if err != nil {
		return err
	}
	for _, c := range disconnectCategories {
		if err := t.disconnectCategory(categories[c.theirs], "categories."+c.theirs, c.ours); err != nil {
			return err
		}
		delete(categories, c.theirs)
	}
	for _, theirs := range slices.Sorted(maps.Keys(categories)) { // new ones
		if err := t.disconnectCategory(categories[theirs], "categories."+theirs, strings.ToLower(theirs)); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) disconnectCategory(raw json.RawMessage, path, category string) error {
	if raw == nil {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%s: want a list", path)
	}
	for i, raw := range list {
		path := fmt.Sprintf("%s[%d]", path, i)
		err := each(raw, path, func(company string, raw json.RawMessage, path string) error {
			return each(raw, path, func(_ string, raw json.RawMessage, path string) error {
				if len(raw) > 0 && raw[0] == '"' {
					return nil // not a site, but something to know about the company
				}
				return t.domains(raw, path, Owner{Company: company, Category: category})
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// disconnectEntities reads entities.json of Disconnect: by company, the sites that
// are its own and what those load.
func (t *table) disconnectEntities(all map[string]json.RawMessage) error {
	return each(all["entities"], "entities", func(company string, raw json.RawMessage, path string) error {
		fields, err := object(raw, path)
		if err != nil {
			return err
		}
		for _, field := range []string{"properties", "resources"} {
			if raw, has := fields[field]; has {
				if err := t.domains(raw, path+"."+field, Owner{Company: company}); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// domains reads a list of domains that one owner has. An entry with a path is
// about a part of a site, whose name says nothing.
func (t *table) domains(raw json.RawMessage, path string, o Owner) error {
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%s: want a list of domains", path)
	}
	if key(o.Company) == "" {
		return fmt.Errorf("%s: the company has no name", path)
	}
	for i, written := range list {
		if strings.Contains(written, "/") {
			continue
		}
		name, err := domain(written)
		if err != nil {
			return fmt.Errorf("%s[%d]: %w", path, i, err)
		}
		t.row(name, o)
	}
	return nil
}

// adguardCategories are the categories of AdGuard's companiesdb by number, in our
// words where there is one ("categories" of its trackers.json).
var adguardCategories = map[string]string{
	"0": "audio_video_player", "1": "comments", "2": "customer_interaction", "3": "pornvertising", "4": "advertising", "5": "utilities",
	"6": "site_analytics", "7": "social_media", "8": "misc", "9": "hosting", "10": "hosting", "11": "", "12": "extensions",
	"13": "email", "14": "consent", "15": "telemetry", "101": "site_analytics",
}

// adguardTrackers reads trackers.json of AdGuard's companiesdb: trackers, and the
// domains that are theirs.
func (t *table) adguardTrackers(all map[string]json.RawMessage) error {
	known := map[string]Owner{}
	err := each(all["trackers"], "trackers", func(id string, raw json.RawMessage, path string) error {
		var tracker struct {
			Name       string      `json:"name"`
			CategoryID json.Number `json:"categoryId"`
			CompanyID  string      `json:"companyId"`
		}
		if err := json.Unmarshal(raw, &tracker); err != nil {
			return fmt.Errorf("%s: want name, categoryId and companyId", path)
		}
		if key(tracker.Name) == "" {
			tracker.Name = id
		}
		known[id] = Owner{Company: tracker.CompanyID, Category: adguardCategories[tracker.CategoryID.String()], Tracker: tracker.Name}
		return nil
	})
	if err != nil {
		return err
	}
	return each(all["trackerDomains"], "trackerDomains", func(written string, raw json.RawMessage, path string) error {
		var id string
		if err := json.Unmarshal(raw, &id); err != nil {
			return fmt.Errorf("%s: want the name of a tracker", path)
		}
		name, err := domain(written)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		o, ok := known[id]
		if !ok {
			o = Owner{Tracker: id}
		}
		if key(o.Company) == "" && key(o.Tracker) == "" {
			return fmt.Errorf("%s: the tracker has no name", path)
		}
		t.row(name, o)
		return nil
	})
}

// adguardCompanies reads companies.json of AdGuard's companiesdb. The domain of a
// company is that of its site; one that is only a page on another's site has
// none.
func (t *table) adguardCompanies(all map[string]json.RawMessage) error {
	return each(all["companies"], "companies", func(id string, raw json.RawMessage, path string) error {
		var company struct {
			Name       string `json:"name"`
			WebsiteURL string `json:"websiteUrl"`
		}
		if err := json.Unmarshal(raw, &company); err != nil {
			return fmt.Errorf("%s: want name and websiteUrl", path)
		}
		site, err := url.Parse(strings.TrimSpace(company.WebsiteURL))
		if err != nil || key(company.Name) == "" || strings.Trim(site.Path, "/") != "" || site.RawQuery != "" {
			return nil
		}
		if name, err := domain(strings.TrimPrefix(strings.ToLower(site.Hostname()), "www.")); err == nil {
			t.row(name, Owner{Company: company.Name})
		}
		return nil
	})
}

// object takes a JSON object apart.
func object(raw json.RawMessage, path string) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil || !bytes.HasPrefix(bytes.TrimSpace(raw), []byte{'{'}) {
		if path == "" {
			return nil, err
		}
		return nil, fmt.Errorf("%s: want an object", path)
	}
	return all, nil
}

// each calls f for every field of a JSON object, by alphabet.
func each(raw json.RawMessage, path string, f func(name string, value json.RawMessage, path string) error) error {
	all, err := object(raw, path)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := f(name, all[name], fmt.Sprintf("%s.%q", path, excerpt(name))); err != nil {
			return err
		}
	}
	return nil
}
