package main

import (
	"strings"

	"deadpixel/lists"
	"deadpixel/resolver"
	"deadpixel/ui"
)

// judgement is what a configuration, or a log, says about a question. Equal ones
// come from the same rule, as far as can be told without reading a list.
type judgement struct {
	verdict string
	list    string
	note    string // why no rule counts
	shape   lists.Shape
	level   lists.Level
	labels  uint8
}

func (j judgement) blocked() bool { return j.verdict == verdictBlocked }

// judge says what becomes of a question by its own name, as the block stage does.
// It is quick.
func (g *generation) judge(q question) judgement {
	if why := g.local.Owns(q.name); why != "" {
		return judgement{verdict: verdictUntouched, note: why}
	}
	v := g.store.Match([]byte(q.name), q.qtype)
	switch {
	case v.Action != lists.None:
		return judgement{verdict: v.Action.String(), list: v.List.Name, shape: v.Shape, level: v.Level, labels: v.Labels}
	case g.config.Blocking.Canaries && resolver.IsCanary(q.name):
		return judgement{verdict: verdictBlocked, list: resolver.CanaryList}
	}
	return judgement{verdict: verdictUntouched}
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
		if r.List == "" {
			continue
		}
		found := g.store.Set().Explain([]byte(q.name), q.qtype)
		if len(found) == 0 { // a canary
			r.Rule, r.Source, r.Line = q.name, g.config.file, g.config.lines.of("blocking.canaries")
			continue
		}
		deciding, whose = append(deciding, found[0]), append(whose, i)
	}
	for n, x := range g.store.Describe(deciding) {
		r, v := &rules[whose[n]], deciding[n]
		r.Rule, r.Source, r.Line = x.Rule, x.Source, x.Line
		if r.Rule == "" && v.Shape <= lists.Below { // downloaded for this run, without its text
			r.Rule = withoutLabels(questions[whose[n]].name, int(v.Labels))
		}
	}
	return rules
}

// withoutLabels is name without so many of its first labels.
func withoutLabels(name string, labels int) string {
	for ; labels > 0; labels-- {
		_, name, _ = strings.Cut(name, ".")
	}
	return name
}
