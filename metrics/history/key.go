package history

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"

	"deadpixel/lists"
)

// keyName is the file of the key, in the data directory, for its owner's eyes only:
// the day in eight bytes, and the secret.
const keyName = "history.key"

// key makes hashes of clients' addresses for one day. It is on disk so that a restart
// goes on counting the same device, and is overwritten and removed when its day ends:
// then nobody can say any more whose a hash was.
type key struct {
	file   string // "" keeps it in memory
	day    int64  // meaningless while there is no secret
	secret [32]byte
}

func (k *key) exists() bool { return k.secret != [32]byte{} }

// restore reads the key of a day, and destroys one of another day and unfinished ones.
func (k *key) restore(day int64) error {
	if k.file == "" {
		return nil
	}
	left := k.shredUnfinished()
	b, err := os.ReadFile(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return left
	}
	if err = errors.Join(err, left); err != nil {
		return err
	}
	if len(b) != 8+len(k.secret) || int64(binary.BigEndian.Uint64(b)) != day {
		return k.destroy()
	}
	k.day = day
	copy(k.secret[:], b[8:])
	return nil
}

// hash is the client at ip on a day: 64 bits of HMAC-SHA-256 (RFC 2104), of which two
// clients of a household will not have the same. A new day destroys the key of the one
// before; what comes late for a day whose key is gone counts as others. The hash is
// good also with an error, which says that the key is in memory only.
func (k *key) hash(ip netip.Addr, day int64) (client, error) {
	var err error
	switch {
	case k.exists() && day < k.day:
		return others, nil
	case !k.exists() || day > k.day:
		err = errors.Join(k.destroy(), k.make(day))
	}
	mac := hmac.New(sha256.New, k.secret[:])
	address := ip.As16()
	mac.Write(address[:])
	return client(byHash) + client(mac.Sum(nil)[:8]), err
}

// make makes the key of a day.
func (k *key) make(day int64) error {
	k.day = day
	rand.Read(k.secret[:])
	if k.file == "" {
		return nil
	}
	if err := lists.ReplaceFile(k.file, append(binary.BigEndian.AppendUint64(nil, uint64(day)), k.secret[:]...)); err != nil {
		return fmt.Errorf("cannot be stored, so that a restart will count every client a second time today: %w", err)
	}
	return nil
}

// endBefore destroys the key unless it is that of a day, or of a later one.
func (k *key) endBefore(day int64) error {
	if k.exists() && k.day >= day {
		return nil
	}
	return k.destroy()
}

// destroy overwrites the key, in memory and on disk, and removes the file.
func (k *key) destroy() error {
	clear(k.secret[:])
	k.day = 0
	if k.file == "" {
		return nil
	}
	return errors.Join(k.shredUnfinished(), shred(k.file))
}

// shredUnfinished shreds what was left when the program was killed while it wrote a key.
func (k *key) shredUnfinished() (err error) {
	for _, file := range lists.Unfinished(k.file) {
		err = errors.Join(err, shred(file))
	}
	return err
}

// shred overwrites a file with a key and removes it.
func shred(file string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = f.Write(make([]byte, 8+len(key{}.secret)))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err = errors.Join(err, os.Remove(file)); err != nil {
		return fmt.Errorf("of an earlier day cannot be destroyed; remove %s: %w", file, err)
	}
	return nil
}
