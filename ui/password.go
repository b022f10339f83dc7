package ui

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Costs of a new argon2id hash: the second choice of RFC 9106, section 4, with
// less memory for small machines (OWASP, "Password Storage": 19 MiB, 2 passes).
const (
	argonMemory = 19 << 10 // KiB
	argonPasses = 2
	argonSalt   = 16
	argonKey    = 32
)

// Bounds of hashes that are accepted, so that a login cannot exhaust the machine.
const (
	argonMaxMemory = 256 << 10
	argonMaxPasses = 16
	bcryptMaxCost  = 16
)

// errHash says that a text is no hash of a password.
var errHash = errors.New("no hash of a password; `deadpixel password` makes one")

// argonHash is a hash in the form $argon2id$v=19$m=19456,t=2,p=1$salt$key.
type argonHash struct {
	memory, passes uint32
	threads        uint8
	salt, key      []byte
}

func parseArgon(s string) (argonHash, error) {
	var h argonHash
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); err != nil {
		return h, errHash
	}
	if h.memory < 8 || h.memory > argonMaxMemory || h.passes < 1 || h.passes > argonMaxPasses || h.threads < 1 {
		return h, fmt.Errorf("%w: its costs are out of bounds (at most m=%d, t=%d)", errHash, argonMaxMemory, argonMaxPasses)
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	h.key, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.key) < 16 {
		return h, errHash
	}
	return h, nil
}

// CheckHash says what is wrong with a password hash; nil when it is one of
// argon2id or bcrypt.
func CheckHash(s string) error {
	if strings.HasPrefix(s, "$2") {
		cost, err := bcrypt.Cost([]byte(s))
		if err != nil || cost > bcryptMaxCost {
			return errHash
		}
		return nil
	}
	_, err := parseArgon(s)
	return err
}

// HashPassword makes an argon2id hash.
func HashPassword(password string) (string, error) {
	salt := make([]byte, argonSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key := argon2.IDKey([]byte(password), salt, argonPasses, argonMemory, 1, argonKey)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, argonMemory, argonPasses,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

func verify(hash, password string) bool {
	if strings.HasPrefix(hash, "$2") {
		return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
	}
	h, err := parseArgon(hash)
	if err != nil {
		return false
	}
	key := argon2.IDKey([]byte(password), h.salt, h.passes, h.memory, h.threads, uint32(len(h.key)))
	return subtle.ConstantTimeCompare(key, h.key) == 1
}
