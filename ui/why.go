package ui

import (
	"cmp"
	"net/http"
	"slices"
)

// why is the page that explains what becomes of a name.
type why struct {
	frame
	Asked   Question
	Types   []string // that can be asked for without writing one
	Clients []Switch // whom it can be asked for
	Answer  *answer
	Problem string
	Written Written // for who may change something
	Back    string  // where what is done about those leads: the name
}

// answer is an explanation with whom it is for.
type answer struct {
	Explanation
	For string
}

func newAnswer(e Explanation, asked Question) *answer {
	return &answer{e, cmp.Or(e.Client, asked.Client, thisDevice)}
}

// few says whether rules are so few that they are shown without being asked for.
func few(rules []Rule) bool { return len(rules) <= 3 }

// commonTypes are the record types that the page offers.
func commonTypes(asked string) []string {
	types := []string{"A", "AAAA", "HTTPS", "CNAME", "ANY"}
	if asked != "" && !slices.Contains(types, asked) {
		types = append(types, asked)
	}
	return types
}

func (p *Page) why(w http.ResponseWriter, r *http.Request) {
	v := why{frame: p.frame(r, whyTitle, "/why"), Asked: newQuestion(r.URL.Query()), Clients: p.Blocker.Blocking().Clients}
	v.Types = commonTypes(v.Asked.Type)
	v.Back = v.Asked.Name
	if v.MayChange {
		v.Written = p.Rules.Written()
	}
	if v.Asked.Name != "" {
		asked := v.Asked
		if asked.Client == "" {
			asked.Client = client(r).String()
		}
		e, err := p.Explain(r.Context(), asked)
		if err != nil {
			v.Problem = err.Error()
		}
		if e.Name != "" { // the rules are known even when no upstream answers
			v.Answer = newAnswer(e, v.Asked)
		}
	}
	p.show(w, r, http.StatusOK, "why.html", v)
}
