package lists

import (
	_ "embed"
	"io"
	"strings"
)

//go:embed builtin/starter.txt
var starter string

// Builtin returns the text of a list that comes with the program, by the name
// after "builtin:".
func Builtin(name string) (io.Reader, bool) {
	if name != "starter" {
		return nil, false
	}
	return strings.NewReader(starter), true
}
