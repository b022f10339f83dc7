// Package resolver is the walk of one query, from its packet to its reply. It
// knows no HTTP, no Prometheus and no TOML.
//
// A transport (package serve) parses a packet into a [Query] and asks the
// [Resolver], a chain of stages that New puts in order:
//
//	admit     may this be asked? malformed, strangers, too many, odd opcodes and classes
//	who       whose query is it ([Clients]), and what holds for them now ([Policies])?
//	local     names of the house ([local]) and of standards, which never leave
//	block     the verdict of the lists that apply to who asks; nothing of a blocked name
//	          goes further, and what an answer from there leads to is matched as well
//	ANY       one HINFO (RFC 8482)
//	cache     upstream answers, fresh or, while upstreams fail, stale
//	flight    identical questions under way share one exchange
//	forward   chooses among upstreams and moves on from those that fail
//
// Each writes into an [Answer], a message in the transport's own buffer, or hands
// on. What comes up from cache, flight and forward is as the upstream sent it;
// stamp makes it the answer to this query, and seal adds EDNS and truncates. Then
// the reply leaves, and only then is the [Observer] told.
//
// What holds:
//
//   - Blocking stands above the cache: a pause or a new list acts on the next
//     query, and the cache never holds a verdict.
//   - Lists are there once, whoever they apply to: a policy is a set of their places,
//     worked out when a slot or a pause begins or ends, not for each query.
//   - What is allowed for a while ([Allowances]) lies over the verdict of the lists, ends by itself, and
//     costs one atomic load while there is nothing.
//   - Answers of a group's own servers are kept apart by the key of a query.
//   - Whoever receives an Answer owns it; whoever keeps bytes of it copies them.
//   - A DNS failure is an Answer. An error means that none could be made: ErrDrop
//     is silence, ErrWait asks for a goroutine that may block, anything else
//     becomes SERVFAIL.
//   - A query is first asked with MayWait false, on the goroutine that reads the
//     socket: what is blocked, local or cached is answered there without
//     allocating. Only what needs an upstream costs a goroutine.
//   - Nothing on an answer's way waits for disk, log, metrics or lists.
//   - A Resolver never changes. A new configuration makes a new one, which takes
//     the place of the old between two queries; the cache goes along.
package resolver
