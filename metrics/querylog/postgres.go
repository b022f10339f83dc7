package querylog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Postgres writes records into a table of a PostgreSQL server, for those who keep more
// than one machine should. It makes and changes its tables itself, deletes what is older
// than it may be, and holds what it cannot write while the server is away. It implements
// Sink, and is safe for concurrent use.
type Postgres struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu      sync.Mutex // of what follows
	set     StoreSettings
	ready   bool      // the tables are there
	obeyed  bool      // they hold nothing that is not permitted
	pruned  time.Time // when what is too old was last deleted
	waiting []Record
	away    error     // why the last try failed, as it was told to the log; nil when it did not
	retry   time.Time // when the next one is due
}

// Bounds of a server: how long one step may take, how long it is waited before the next
// try, how many records wait while it is away, how often old ones are deleted, and how
// many at once, so that nobody is locked out for long.
const (
	pgTime    = 5 * time.Second
	pgRetry   = 10 * time.Second
	maxPgWait = 50_000
	pgPrune   = time.Minute
	pgStep    = 10_000
)

// pgSchema are the steps from one version of the tables to the next. A step that has been
// published never changes.
var pgSchema = []string{
	`CREATE TABLE deadpixel_queries (
		at timestamptz NOT NULL, client text NOT NULL, address inet, "group" text NOT NULL, transport text NOT NULL, name text NOT NULL, type text NOT NULL,
		outcome text NOT NULL, rcode text NOT NULL, upstream text NOT NULL, list text NOT NULL, reason text NOT NULL, hidden text NOT NULL, owner text NOT NULL,
		duration_ms double precision NOT NULL);
	CREATE INDEX deadpixel_queries_at ON deadpixel_queries USING brin (at);
	CREATE INDEX deadpixel_queries_client ON deadpixel_queries (client, at);`,
}

// pgColumns are those of the table, in the order of values.
var pgColumns = []string{"at", "client", "address", "group", "transport", "name", "type", "outcome", "rcode", "upstream", "list", "reason", "hidden", "owner", "duration_ms"}

// CheckPostgres says what is wrong with the address of a server, without what could be a
// password in it.
func CheckPostgres(url string) error {
	_, err := parsePostgres(url)
	return err
}

func parsePostgres(url string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil { // the error of the library can hold the address
		return nil, errors.New("no address of a PostgreSQL server: write it like postgres://user:password@host/database?sslmode=verify-full")
	}
	c.MaxConns, c.MaxConnIdleTime = 2, 10*time.Minute
	c.ConnConfig.ConnectTimeout = pgTime
	c.ConnConfig.RuntimeParams["application_name"] = "deadpixel"
	return c, nil
}

// NewPostgres makes one. The server need not be there yet.
func NewPostgres(ctx context.Context, url string, set StoreSettings) (*Postgres, error) {
	c, err := parsePostgres(url)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	p := &Postgres{pool: pool, log: set.Log, set: set}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	return p, nil
}

// Use puts settings to use. What they do not permit any more is deleted before anything
// else is written, as soon as the server can be reached.
func (p *Postgres) Use(set StoreSettings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set, p.obeyed, p.pruned, p.retry = set, false, time.Time{}, time.Time{}
	var left []Record
	for _, r := range p.waiting {
		if set.permits(&r) {
			left = append(left, r)
		}
	}
	p.waiting = left
}

// permits takes out of a record what is not permitted, and says whether something is
// left.
func (set StoreSettings) permits(r *Record) bool {
	if !set.Address && r.Address.IsValid() || !set.Clients {
		r.Client, r.Address = "", netip.Addr{}
	}
	return set.Scope.permits(r.Outcome)
}

// Write implements Sink.
func (p *Postgres) Write(ctx context.Context, records []Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range records {
		if p.set.permits(&r) { // a reload may have come between
			p.waiting = append(p.waiting, r)
		}
	}
	if !time.Now().Before(p.retry) { // each try may take long, while more records come
		p.tell(p.put(ctx))
	}
	if lost := len(p.waiting) - maxPgWait; lost > 0 {
		p.waiting = p.waiting[lost:]
		return &lostError{lost, errors.New("the PostgreSQL server is away, and no more can wait")}
	}
	return nil
}

// tell tells the log when the server begins or ceases to make trouble. The lock is held.
func (p *Postgres) tell(err error) {
	switch {
	case err == nil && p.away != nil:
		p.log.Info("the query log has its PostgreSQL server again")
	case err != nil:
		p.retry = time.Now().Add(pgRetry)
		if p.away == nil || p.away.Error() != err.Error() {
			p.log.Warn("the query log waits for its PostgreSQL server", "err", err)
		}
	}
	p.away = err
}

// absent says why the server cannot be reached, as far as has been tried lately: whoever
// asks should not have to wait for that again. The lock is held.
func (p *Postgres) absent() error {
	if p.away != nil && time.Now().Before(p.retry) {
		return fmt.Errorf("the PostgreSQL server is away: %w", p.away)
	}
	return nil
}

// put writes what waits. The lock is held.
func (p *Postgres) put(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pgTime)
	defer cancel()
	if err := p.prepare(ctx); err != nil {
		return err
	}
	if err := p.obey(ctx); err != nil {
		return err
	}
	if len(p.waiting) > 0 {
		_, err := p.pool.CopyFrom(ctx, pgx.Identifier{"deadpixel_queries"}, pgColumns, pgx.CopyFromSlice(len(p.waiting), func(i int) ([]any, error) { return values(&p.waiting[i]), nil }))
		if err != nil {
			return err
		}
		p.waiting = nil
	}
	if time.Since(p.pruned) < pgPrune {
		return nil
	}
	return p.prune(ctx)
}

// values are a record in the order of pgColumns. PostgreSQL takes no zero byte in a text.
func values(r *Record) []any {
	l := r.Line()
	var address any
	if r.Address.IsValid() {
		address = r.Address
	}
	all := []any{r.Time, l.Client, address, l.Group, l.Transport, l.Name, l.Type, l.Outcome, l.Rcode, l.Upstream, l.List, l.Reason, l.Hidden, l.Owner, l.Duration}
	for i, v := range all {
		if text, ok := v.(string); ok {
			all[i] = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\\000"), "\uFFFD")
		}
	}
	return all
}

// prepare makes the tables what this version needs, once.
func (p *Postgres) prepare(ctx context.Context) error {
	if p.ready {
		return nil
	}
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		// One at a time, if several deadpixels write into one database.
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtext('deadpixel_queries'))"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS deadpixel_schema (version integer NOT NULL)"); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRow(ctx, "SELECT coalesce(max(version), 0) FROM deadpixel_schema").Scan(&version); err != nil {
			return err
		}
		if version > len(pgSchema) {
			return fmt.Errorf("its tables are of version %d, which a newer deadpixel has made; this one knows %d", version, len(pgSchema))
		}
		for n, step := range pgSchema[version:] {
			if _, err := tx.Exec(ctx, step); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO deadpixel_schema VALUES ($1)", version+n+1); err != nil {
				return err
			}
		}
		return nil
	})
	p.ready = err == nil
	return err
}

// obey deletes what is not permitted.
func (p *Postgres) obey(ctx context.Context) error {
	if p.obeyed {
		return nil
	}
	var steps []string
	switch p.set.Scope {
	case None:
		steps = append(steps, "TRUNCATE deadpixel_queries")
	case Blocked:
		steps = append(steps, "DELETE FROM deadpixel_queries WHERE outcome <> 'blocked'")
	}
	switch {
	case !p.set.Clients:
		steps = append(steps, "UPDATE deadpixel_queries SET client = '', address = NULL WHERE client <> '' OR address IS NOT NULL")
	case !p.set.Address: // only a row with an address has a name for a client
		steps = append(steps, "UPDATE deadpixel_queries SET client = '', address = NULL WHERE address IS NOT NULL")
	}
	for _, step := range steps {
		if _, err := p.pool.Exec(ctx, step); err != nil {
			return err
		}
	}
	p.obeyed = true
	return nil
}

// prune deletes what is older than it may be.
func (p *Postgres) prune(ctx context.Context) error {
	for {
		done, err := p.pool.Exec(ctx, `DELETE FROM deadpixel_queries WHERE ctid = ANY (ARRAY(SELECT ctid FROM deadpixel_queries WHERE at < $1 LIMIT $2))`, time.Now().Add(-p.set.Keep), pgStep)
		if err != nil {
			return err
		}
		if done.RowsAffected() < pgStep {
			p.pruned = time.Now()
			return nil
		}
	}
}

// Erase deletes everything, and reads back whether it is gone.
func (p *Postgres) Erase(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = nil
	ctx, cancel := context.WithTimeout(ctx, pgTime)
	defer cancel()
	if err := p.prepare(ctx); err != nil { // there may be no table yet
		return err
	}
	if _, err := p.pool.Exec(ctx, "TRUNCATE deadpixel_queries"); err != nil {
		return err
	}
	n, _, err := p.held(ctx)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d queries have come into the PostgreSQL server again", n)
	}
	return err
}

// EraseClient deletes the lines of a client, by its names and addresses, and returns how
// many they were.
func (p *Postgres) EraseClient(ctx context.Context, who ...string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.waiting)
	p.waiting = slices.DeleteFunc(p.waiting, func(r Record) bool { l := r.Line(); return l.of(who) })
	waited := before - len(p.waiting)
	ctx, cancel := context.WithTimeout(ctx, pgTime)
	defer cancel()
	if err := p.prepare(ctx); err != nil {
		return waited, err
	}
	done, err := p.pool.Exec(ctx, "DELETE FROM deadpixel_queries WHERE client <> '' AND client = ANY ($1) OR host(address) = ANY ($1)", who)
	return waited + int(done.RowsAffected()), err
}

// Count is how many lines there are of a client, by its names and addresses.
func (p *Postgres) Count(ctx context.Context, who ...string) (n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.absent(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, pgTime)
	defer cancel()
	if err := p.prepare(ctx); err != nil {
		return 0, err
	}
	err = p.pool.QueryRow(ctx, "SELECT count(*) FROM deadpixel_queries WHERE client <> '' AND client = ANY ($1) OR host(address) = ANY ($1)", who).Scan(&n)
	return n, err
}

// Held counts what there is.
func (p *Postgres) Held(ctx context.Context) (Held, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, pgTime)
	defer cancel()
	if err := p.absent(); err != nil {
		return Held{Lines: len(p.waiting)}, err
	}
	if err := p.prepare(ctx); err != nil {
		return Held{Lines: len(p.waiting)}, err
	}
	n, oldest, err := p.held(ctx)
	h := Held{Lines: n + len(p.waiting), Oldest: oldest}
	if !oldest.IsZero() {
		h.Until = oldest.Add(p.set.Keep)
	}
	return h, err
}

func (p *Postgres) held(ctx context.Context) (n int, oldest time.Time, err error) {
	var first *time.Time
	if err := p.pool.QueryRow(ctx, "SELECT count(*), min(at) FROM deadpixel_queries").Scan(&n, &first); err != nil {
		return 0, oldest, err
	}
	if first != nil {
		oldest = *first
	}
	return n, oldest, nil
}

// Close implements Sink.
func (p *Postgres) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.put(context.Background())
	if len(p.waiting) == 0 && p.obeyed {
		err = nil
	}
	p.pool.Close()
	return err
}
