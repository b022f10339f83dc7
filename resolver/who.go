package resolver

import "context"

// who finds out who asks, and so what holds for the query.
type who struct {
	policies *Policies
	next     Handler
}

func (s *who) Resolve(ctx context.Context, q *Query, a *Answer) error {
	q.policy = s.policies.Of(nil)
	q.who.Name = q.policy.Client
	return s.next.Resolve(ctx, q, a)
}
