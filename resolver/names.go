package resolver

import (
	"context"
	"log/slog"
)

// LevelNames is the level of the log at which it may hold names that were asked for
// and addresses of clients. It lies below debug, so that debug by itself tells of
// nobody's browsing; only [log] names sets it.
const LevelNames = slog.LevelDebug - 4

// MayName says whether a logger takes names and addresses.
func MayName(log *slog.Logger) bool { return log.Enabled(context.Background(), LevelNames) }
