package main

import (
	"bufio"
	"context"
	"errors"
	"net/netip"
	"strings"
)

// maxPending bounds the names whose outcome a log may still tell.
const maxPending = 4096

// pendingQuery is the last query for a name, and what is known of it so far.
type pendingQuery struct {
	*asked
	outcome outcome
}

// readDnsmasq reads the log of dnsmasq with log-queries, which Pi-hole's is as
// well. A query is a line, and what becomes of it another one, which names it only
// by the name; so that is taken to be the last query for it.
func readDnsmasq(ctx context.Context, in *bufio.Reader, l *queryLog) error {
	pending := map[string]*pendingQuery{}
	return l.eachLine(ctx, in, func(line string) error {
		message, ok := dnsmasqMessage(line)
		if !ok {
			return nil // of another program, in a log of the whole system
		}
		words := withoutOrigin(strings.Fields(message))
		if len(words) == 0 {
			return nil
		}
		if qtype, ok := strings.CutPrefix(words[0], "query["); ok {
			if len(words) < 4 || words[2] != "from" {
				return errors.New("a query without name or client")
			}
			a, err := l.add(words[1], loggedType(strings.TrimSuffix(qtype, "]")), loggedClient(words[3]), outcomeUnknown)
			if err != nil {
				return err
			}
			if len(pending) >= maxPending {
				clear(pending)
			}
			delete(pending, words[1])
			if a != nil {
				pending[words[1]] = &pendingQuery{asked: a}
			}
			return nil
		}
		if name, o := dnsmasqOutcome(words); o != outcomeUnknown {
			if p := pending[name]; p != nil {
				p.become(o)
			}
		}
		return nil
	})
}

// become moves the query to o; what blocks is the last word.
func (p *pendingQuery) become(o outcome) {
	if o > p.outcome {
		p.times[p.outcome]--
		p.times[o]++
		p.outcome = o
	}
}

// dnsmasqMessage is what stands in a line of a log after "dnsmasq[123]: ".
func dnsmasqMessage(line string) (string, bool) {
	for {
		_, rest, ok := strings.Cut(line, "dnsmasq")
		if !ok {
			return "", false
		}
		line = rest
		if number, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(number, "[") {
			rest = after
		}
		if message, ok := strings.CutPrefix(rest, ": "); ok {
			return message, true
		}
	}
}

// withoutOrigin leaves out what log-queries=extra puts before a message: number,
// client's address and port, and in newer versions UDP or TCP.
func withoutOrigin(words []string) []string {
	for len(words) > 0 {
		word := words[0]
		address, _, _ := strings.Cut(word, "/")
		if _, err := netip.ParseAddr(address); err != nil && word != "UDP" && word != "TCP" && strings.Trim(word, "0123456789") != "" {
			break
		}
		words = words[1:]
	}
	return words
}

// dnsmasqOutcome is what a line like "SOURCE name is VALUE" or "forwarded name to
// SERVER" says. The words are those of dnsmasq and of Pi-hole since version 4.
func dnsmasqOutcome(words []string) (name string, o outcome) {
	if words[0] == "forwarded" && len(words) > 1 {
		return words[1], outcomePassed
	}
	for i := 2; i+1 < len(words); i++ {
		if words[i] == "is" {
			return words[i-1], dnsmasqAnswer(strings.Join(words[:i-1], " "), strings.Join(words[i+1:], " "))
		}
	}
	return "", outcomeUnknown
}

func dnsmasqAnswer(source, value string) outcome {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(source, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("CNAME"), strings.Contains(value, "CNAME inspection"), has("Rate-limiting"):
		return outcomeUnknown // about the name behind another one; or not about the name at all
	case has("blocked", "blacklisted", "denied", "gravity.list", "black.list", "special domain"), strings.HasPrefix(value, "blocked"):
		return outcomeBlocked
	case value == "0.0.0.0", value == "::", source == "config" && value == "NXDOMAIN":
		return outcomeBlocked
	case source == "config" && !startsWithAddress(value):
		return outcomeUnknown // that there is no such record may be a block, or not
	case source == "reply", source == "cached", source == "cached-stale", source == "config", source == "DHCP", strings.HasPrefix(source, "/"):
		return outcomePassed
	}
	return outcomeUnknown
}

func startsWithAddress(value string) bool {
	first, _, _ := strings.Cut(value, " ")
	return loggedClient(first).IsValid()
}
