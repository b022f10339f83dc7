//go:build !linux

package neighbour

import (
	"context"
	"errors"
	"fmt"

	"deadpixel/resolver"
)

// Supported says whether this system's table can be read.
const Supported = false

var errElsewhere = fmt.Errorf("the neighbour table is read on Linux only: %w", errors.ErrUnsupported)

// Read returns errors.ErrUnsupported.
func (Kernel) Read() ([]resolver.Neighbour, error) { return nil, errElsewhere }

// Watch returns errors.ErrUnsupported.
func (Kernel) Watch(context.Context, chan<- struct{}) error { return errElsewhere }
