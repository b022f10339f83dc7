package main

import (
	"strings"

	"deadpixel/lists"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// Verdicts, as `explain`, `replay` and the API write them.
const (
	verdictBlocked   = "blocked"
	verdictAllowed   = "allowed"
	verdictUntouched = "untouched"
)

// judgement is what a configuration, or a log, says about a question. Equal ones
// come from the same rule, as far as can be told without reading a list.
type judgement struct {
	verdict string
	list    string
	note    string // what decides beside the rules
	answer  string // what a rule answers instead
	shape   lists.Shape
	level   lists.Level
	labels  uint8
}

func (j judgement) blocked() bool { return j.verdict == verdictBlocked }

// judge says what becomes of a normalised name, by itself, as the block stage
// does. The second result is the verdict of the rules. It is quick.
func (g *generation) judge(a asker, name string, qtype uint16) (judgement, lists.Verdict) {
	if why := g.local.Owns(name); why != "" {
		return judgement{verdict: verdictUntouched, note: why}, lists.Verdict{}
	}
	if !a.now.Blocks {
		return judgement{verdict: verdictUntouched, note: "nothing is blocked for this client now"}, lists.Verdict{}
	}
	v := g.resolver.Judge([]byte(name), qtype, a.policy, &a.who)
	switch {
	case v.Action != lists.None:
		j := judgement{verdict: wordFor(v), list: v.List.Name, shape: v.Shape, level: v.Level, labels: v.Labels}
		for _, r := range v.Rewrites() {
			j.answer = strings.TrimPrefix(j.answer+", "+r.String(), ", ")
		}
		return j, v
	case g.config.Blocking.Canaries && resolver.IsCanary(name):
		return judgement{verdict: verdictBlocked, list: resolver.CanaryList, note: "its NXDOMAIN asks programs not to go around the household's DNS"}, v
	}
	return judgement{verdict: verdictUntouched}, v
}

// wordFor is the word for a verdict: what a rule answers instead is allowed, unless
// it leads nowhere.
func wordFor(v lists.Verdict) string {
	switch {
	case v.Action == lists.Rewrite && !v.Rewrites()[0].Blocks(), v.Action == lists.Allow:
		return verdictAllowed
	case v.Action == lists.None:
		return verdictUntouched
	}
	return verdictBlocked
}

// rulesOf finds the rules by which judge has decided, in order of the questions.
// It reads the texts of the lists, each once.
func (g *generation) rulesOf(questions []question, judged []judgement) []ui.Rule {
	rules := make([]ui.Rule, len(questions))
	var deciding []lists.Verdict
	var whose []int
	for i, q := range questions {
		r := &rules[i]
		r.Verdict, r.List = judged[i].verdict, judged[i].list
		switch r.List {
		case "":
			continue
		case lists.SafeSearchList, resolver.CanaryList:
			r.Rule, r.Source, r.Line = q.name, g.config.file, g.lineOf(r.List, g.askerAt(q.client))
			continue
		}
		a := g.askerAt(q.client)
		if found := g.store.Set().Explain([]byte(q.name), q.qtype, &a.who); len(found) > 0 {
			deciding, whose = append(deciding, found[0]), append(whose, i)
		}
	}
	for n, x := range g.store.Describe(deciding) {
		r, v := &rules[whose[n]], deciding[n]
		r.Rule, r.Source, r.Line, r.Group = x.Rule, x.Source, x.Line, x.Group
		if r.Rule == "" && v.Shape <= lists.Below { // downloaded for this run, without its text
			r.Rule = withoutLabels(questions[whose[n]].name, int(v.Labels))
		}
	}
	return rules
}

// lineOf is where the configuration turns on what stands for a list, for an asker.
func (g *generation) lineOf(list string, a asker) int {
	switch list {
	case resolver.CanaryList:
		return g.config.lines.of("blocking.canaries")
	case resolver.RebindList:
		return g.config.lines.of("blocking.rebind_protection")
	}
	return g.config.lines.of("groups." + g.safeGroup(a) + ".safe_search")
}

// withoutLabels is name without so many of its first labels.
func withoutLabels(name string, labels int) string {
	for ; labels > 0; labels-- {
		_, name, _ = strings.Cut(name, ".")
	}
	return name
}
