package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"deadpixel/metrics/history"
	"deadpixel/metrics/querylog"
	"deadpixel/ui"
)

// Where the query log can go, as [privacy] log_to has it.
const (
	toStore  = "store"
	toStdout = "stdout"
	toDnstap = "dnstap"
)

// keptQueries is the log of single queries with the sinks that it has. There is nothing in
// it unless [privacy] queries permits that.
type keptQueries struct {
	*querylog.Log
	stdout io.Writer

	mu       sync.Mutex // of what follows
	dir      string     // of the store
	store    *querylog.Store
	postgres map[string]*querylog.Postgres // by what log_to says
	others   map[string]querylog.Sink
	streams  []string // the names of sinks out of which nothing can be erased
}

// checkSink says what is wrong with an entry of log_to.
func checkSink(to string) error {
	switch {
	case to == toStore, to == toStdout:
		return nil
	case strings.HasPrefix(to, toDnstap):
		return querylog.CheckDnstap(to)
	case isPostgres(to):
		return querylog.CheckPostgres(to)
	}
	return fmt.Errorf("%q is none of \"store\", \"stdout\", \"dnstap+unix:///path\", \"dnstap+tcp://host:port\", \"dnstap+file:///path\", \"postgres://...\"", withoutAccount(to))
}

func isPostgres(to string) bool {
	return strings.HasPrefix(to, "postgres://") || strings.HasPrefix(to, "postgresql://")
}

// sinkName is the name by which a sink is counted and told of: its kind.
func sinkName(to string) string {
	switch {
	case isPostgres(to):
		return "postgres"
	case strings.HasPrefix(to, toDnstap):
		return toDnstap
	}
	return to
}

// use puts the settings of c to use: what they no longer permit is erased. What cannot be
// opened is told to the log, and deadpixel goes on without.
func (q *keptQueries) use(s *server, c *Config) error {
	scope, err := querylog.ParseScope(c.Privacy.Queries)
	if err != nil {
		return err
	}
	form, err := history.ParseForm(c.Privacy.Clients)
	if err != nil {
		return err
	}
	set := querylog.StoreSettings{Dir: s.dataDir(c), Keep: c.Privacy.Keep, Scope: scope, Clients: form != history.None, Address: form == history.Full, Log: s.log}
	q.mu.Lock()
	defer q.mu.Unlock()
	var sinks []querylog.Named
	stored := false
	wanted := map[string]bool{}
	for _, to := range c.Privacy.LogTo {
		if wanted[to] = true; to == toStore {
			stored = scope != querylog.None
			continue
		}
		if sink := q.open(s, to, set); sink != nil && scope != querylog.None {
			sinks = append(sinks, querylog.Named{Name: sinkName(to), Sink: sink, Wire: sinkName(to) == toDnstap})
		}
	}
	var opened *querylog.Store
	if stored {
		if opened, err = q.openStore(set); err != nil {
			s.log.Error("the query log cannot be kept in the data directory; deadpixel goes on without", "err", err)
		} else {
			sinks = append(sinks, querylog.Named{Name: toStore, Sink: opened})
		}
	}
	// Sinks that are no longer among them are closed with this; then what must not be
	// there any more can go.
	q.Use(querylog.Settings{Scope: scope, Address: set.Address, Sinks: sinks})
	if before := q.dir; q.store != nil && q.store != opened && before != set.Dir {
		err = errors.Join(err, querylog.Remove(before))
	}
	q.store, q.dir = opened, set.Dir
	if !stored {
		err = errors.Join(err, querylog.Remove(set.Dir))
	}
	for to := range q.postgres {
		if !wanted[to] {
			s.log.Warn("a PostgreSQL server is not in [privacy] log_to any more; what it has of the query log stays there, out of reach", "server", withoutAccount(to))
		}
	}
	maps.DeleteFunc(q.postgres, func(to string, _ *querylog.Postgres) bool { return !wanted[to] || scope == querylog.None })
	maps.DeleteFunc(q.others, func(to string, _ querylog.Sink) bool { return !wanted[to] || scope == querylog.None })
	q.streams = nil
	if scope != querylog.None {
		for to := range q.others {
			q.streams = append(q.streams, sinkName(to))
		}
	}
	slices.Sort(q.streams)
	if err != nil {
		s.log.Error("the query log", "err", err)
	}
	return nil
}

// openStore opens the store, or puts other settings of the same one to use. The lock is
// held.
func (q *keptQueries) openStore(set querylog.StoreSettings) (*querylog.Store, error) {
	if q.store != nil && q.dir == set.Dir {
		return q.store, q.store.Use(set)
	}
	return querylog.OpenStore(set)
}

// open opens what an entry of log_to says, or returns the sink that is open already; nil
// where it cannot be. The lock is held.
func (q *keptQueries) open(s *server, to string, set querylog.StoreSettings) querylog.Sink {
	switch {
	case isPostgres(to):
		p := q.postgres[to]
		var err error
		if p != nil {
			p.Use(set)
		} else if p, err = querylog.NewPostgres(context.Background(), to, set); err != nil {
			s.log.Error("the query log cannot go to its PostgreSQL server; deadpixel goes on without", "err", err)
			return nil
		}
		q.postgres[to] = p
		if set.Scope == querylog.None { // what is there from before must go, and nothing else will come
			go func() {
				if err := p.Close(); err != nil {
					s.log.Error("what the PostgreSQL server has of the query log cannot be erased; the next reload or start tries again, if [privacy] log_to names it", "err", err)
				}
			}()
		}
		return p
	case set.Scope == querylog.None:
		return nil
	case q.others[to] != nil:
		return q.others[to]
	case to == toStdout:
		q.others[to] = querylog.NewStdout(q.stdout)
		return q.others[to]
	}
	host, _ := os.Hostname()
	d, err := querylog.NewDnstap(to, host, "deadpixel "+version, s.log)
	if err != nil {
		s.log.Error("the query log cannot go to dnstap; deadpixel goes on without", "err", err)
		return nil
	}
	q.others[to] = d
	return d
}

// eraser is a sink out of which what is kept can be erased.
type eraser interface {
	Erase(context.Context) error
	EraseClient(ctx context.Context, who ...string) (int, error)
	Count(ctx context.Context, who ...string) (int, error)
	Held(context.Context) (querylog.Held, error)
}

// erasers are those that there are, by name, with what was noted until now in them.
func (q *keptQueries) erasers() map[string]eraser {
	q.Flush()
	q.mu.Lock()
	defer q.mu.Unlock()
	all := map[string]eraser{}
	if q.store != nil {
		all[toStore] = q.store
	}
	for to, p := range q.postgres {
		all[sinkName(to)] = p
	}
	return all
}

// beyond says what cannot be erased, "" when there is nothing.
func (q *keptQueries) beyond() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.streams) == 0 {
		return ""
	}
	return "what was sent to " + strings.Join(q.streams, " and ") + " before is out of reach"
}

// record begins to note queries, and does so until the returned function has been
// called.
func (q *keptQueries) record(s *server, c *Config) (end func(), err error) {
	q.Log = querylog.New(querylog.Options{Client: s.history.Appears, Owner: s.ownerOf, Log: s.log})
	q.postgres, q.others = map[string]*querylog.Postgres{}, map[string]querylog.Sink{}
	if err := q.use(s, c); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		q.Run(ctx)
	}()
	return func() {
		stop()
		<-ended
	}, nil
}

// askedFor is how far back it is looked for what a household has asked for.
const askedFor = 7 * 24 * time.Hour

// asked are the names that this household has asked for of late, where they are kept.
func (s *server) asked() []string {
	s.queries.mu.Lock()
	store := s.queries.store
	s.queries.mu.Unlock()
	if store == nil {
		return nil
	}
	names, err := store.Names(context.Background(), time.Now().Add(-askedFor))
	if err != nil {
		s.log.Warn("what was asked for of late cannot be read", "err", err)
	}
	return slices.Sorted(maps.Keys(names))
}

// findQueries is a page of the query log.
func (s *server) findQueries(ctx context.Context, f ui.QueryFilter) (ui.QueryPage, error) {
	s.queries.Flush()
	s.queries.mu.Lock()
	store := s.queries.store
	s.queries.mu.Unlock()
	var page ui.QueryPage
	if store == nil {
		return page, nil
	}
	found, err := store.Read(ctx, querylog.Query{Name: f.Name, Client: f.Client, Outcome: f.Outcome, From: f.From, Limit: f.Limit})
	for _, l := range found.Lines {
		page.Queries = append(page.Queries, ui.QueryLine(l))
	}
	page.Next, page.Kept = found.Next, true
	return page, err
}

// keptOfQueries says what the query log has.
func (s *server) keptOfQueries(c *Config) []ui.Kept {
	if c.Privacy.Queries == querylog.None.String() {
		return nil
	}
	what := map[string]string{
		querylog.Blocked.String(): "each query that was blocked: when, its name and type, by which list, how long the answer took",
		querylog.All.String():     "each query: when, its name and type, what became of it, how long the answer took",
	}[c.Privacy.Queries]
	switch c.Privacy.Clients {
	case history.Anonymous.String():
		what += ", and today's hash of who asked"
	case history.Full.String():
		what += ", and who asked, by address and name"
	}
	why := fmt.Sprintf("[privacy] queries is %q", c.Privacy.Queries)
	all := []ui.Kept{{What: "queries of the last second, on their way to where they are kept", Why: why, Where: "memory", Much: "at most 8192 for each core", Until: "a second after"}}
	erasers := s.queries.erasers()
	for _, name := range slices.Sorted(maps.Keys(erasers)) {
		ctx, cancel := context.WithTimeout(context.Background(), clientTimeout)
		h, err := erasers[name].Held(ctx)
		cancel()
		one := ui.Kept{What: what, Why: why, Where: "the PostgreSQL server of [privacy] log_to", Much: fmt.Sprintf("%d queries", h.Lines), Oldest: moment(h.Oldest),
			Until: fmt.Sprintf("%s ([privacy] keep), or erased", written(c.Privacy.Keep))}
		if name == toStore {
			one.Where = fmt.Sprintf("queries/ in %s (%d files, %d bytes)", s.dataDir(c), h.Files, h.Bytes)
			one.Until = fmt.Sprintf("%s ([privacy] keep), a file of a day or an hour at a time, when what is oldest in it has had its time; 256 MB; or erased", written(c.Privacy.Keep))
		}
		if !h.Until.IsZero() {
			one.Until = fmt.Sprintf("the first of it on %s; ", h.Until.Format(time.RFC3339)) + one.Until
		}
		if err != nil {
			one.Much = "it cannot be counted: " + err.Error()
		}
		all = append(all, one)
	}
	s.queries.mu.Lock()
	streams := s.queries.streams
	s.queries.mu.Unlock()
	for _, name := range streams {
		all = append(all, ui.Kept{What: what, Why: why, Where: "whoever reads " + name, Much: "nobody here knows", Until: "whoever reads it decides: erasing here does not reach it"})
	}
	return all
}

// forgetQueries erases the query log, where it can be.
func (s *server) forgetQueries() error {
	var faults []error
	for name, e := range s.queries.erasers() {
		ctx, cancel := context.WithTimeout(context.Background(), clientTimeout)
		if err := e.Erase(ctx); err != nil {
			faults = append(faults, fmt.Errorf("the query log in %s is not erased; try again when it can be reached: %w", name, err))
		}
		cancel()
	}
	return errors.Join(faults...)
}

// forgetQueriesOf erases what the query log has of an address, and says how many queries
// that were.
func (s *server) forgetQueriesOf(ip netip.Addr) (n int, err error) {
	who := s.history.Guises(ip)
	for _, e := range s.queries.erasers() {
		ctx, cancel := context.WithTimeout(context.Background(), clientTimeout)
		gone, fault := e.EraseClient(ctx, who...)
		cancel()
		n, err = n+gone, errors.Join(err, fault)
	}
	return n, err
}

// queriesOf is how many queries of an address the query log has; more says that these
// were not all, but all that could be counted in time.
func (s *server) queriesOf(ip netip.Addr) (n int, more bool, err error) {
	who := s.history.Guises(ip)
	for _, e := range s.queries.erasers() {
		ctx, cancel := context.WithTimeout(context.Background(), countTime)
		found, fault := e.Count(ctx, who...)
		cancel()
		if n += found; errors.Is(fault, context.DeadlineExceeded) {
			more = true
			continue
		}
		err = errors.Join(err, fault)
	}
	return n, more, err
}

// countTime bounds how long it is counted what is kept of a device while it waits.
const countTime = time.Second
