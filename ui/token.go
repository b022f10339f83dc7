package ui

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scope is something that needs permission. Whoever has the password may do all of it, a
// token what it was made for.
type Scope string

const (
	ToRead  Scope = "read"    // see what only who runs this may: rules, requests, devices, the live view, the configuration
	ToPause Scope = "pause"   // pause and resume blocking
	ToFetch Scope = "lists"   // fetch lists, and accept held rules
	ToRule  Scope = "rules"   // allow and deny names, answer requests
	ToErase Scope = "privacy" // erase what is kept
	open    Scope = ""        // nothing that needs permission
)

// Scopes are all of them.
var Scopes = []Scope{ToRead, ToPause, ToFetch, ToRule, ToErase}

// ParseScope reads the name of a scope.
func ParseScope(name string) (Scope, error) {
	if !slices.Contains(Scopes, Scope(name)) {
		var names []string
		for _, s := range Scopes {
			names = append(names, fmt.Sprintf("%q", s))
		}
		return "", fmt.Errorf("%q is none of %s", name, strings.Join(names, ", "))
	}
	return Scope(name), nil
}

// Token is a key for scripts, of which only the sum is known here.
type Token struct {
	Name    string
	Hash    string // as NewToken makes it
	Scopes  []Scope
	Expires time.Time // zero: never
}

// tokenPrefix makes a token recognised where it does not belong, as in a repository.
const tokenPrefix = "dp_"

// hashPrefix says how a token is summed. It is random enough that nobody can guess it, so
// that a slow sum, as of a password, would protect nothing and cost each call.
const hashPrefix = "sha256:"

// NewToken makes a token of 256 random bits, and what is to be written of it.
func NewToken() (token, hash string) {
	secret := make([]byte, 32)
	rand.Read(secret)
	token = tokenPrefix + hex.EncodeToString(secret)
	return token, hashToken(token)
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hashPrefix + hex.EncodeToString(sum[:])
}

// CheckTokenHash says what is wrong with the hash of a token.
func CheckTokenHash(hash string) error {
	text, ok := strings.CutPrefix(hash, hashPrefix)
	if sum, err := hex.DecodeString(text); !ok || err != nil || len(sum) != sha256.Size {
		return errors.New("no hash of a token; `deadpixel token NAME` makes one")
	}
	return nil
}

// find is the token of ours that was sent, nil when it is none. All are compared, so that
// the time tells nothing.
func find(all []Token, sent string) *Token {
	hash := hashToken(sent)
	var found *Token
	for i := range all {
		if subtle.ConstantTimeCompare([]byte(strings.ToLower(all[i].Hash)), []byte(hash)) == 1 {
			found = &all[i]
		}
	}
	return found
}
