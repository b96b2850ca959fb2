package registry

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"

	"golang.org/x/crypto/bcrypt"
)

// SetPassword gives a user a new password, at once and without a restart; an
// unknown user is added. Tokens given out before stay good until they expire,
// as they do in real registries.
func (f Folder) SetPassword(user, password string) error {
	users, err := f.Users()
	if err != nil {
		return err
	}
	users[user] = password
	return f.writeUsers(users)
}

// Users are the names and passwords that it accepts now.
func (f Folder) Users() (map[string]string, error) {
	b, err := os.ReadFile(f.usersFile())
	if err != nil {
		return nil, err
	}
	users := map[string]string{}
	return users, json.Unmarshal(b, &users)
}

func (f Folder) writeUsers(users map[string]string) error {
	if users == nil {
		users = map[string]string{}
	}
	b, err := json.Marshal(users)
	if err != nil {
		return err
	}
	if err := replace(f.usersFile(), b); err != nil {
		return err
	}
	// The registry reads this file again when its modification time grows.
	var ht bytes.Buffer
	for _, user := range slices.Sorted(maps.Keys(users)) {
		// The cheapest cost: a lab measures the tool, not the hash.
		hash, err := bcrypt.GenerateFromPassword([]byte(users[user]), bcrypt.MinCost)
		if err != nil {
			return fmt.Errorf("hash the password of %q: %w", user, err)
		}
		fmt.Fprintf(&ht, "%s:%s\n", user, hash)
	}
	return replace(f.htpasswdFile(), ht.Bytes())
}

func (f Folder) knows(user, password string) bool {
	users, err := f.Users()
	if err != nil {
		return false
	}
	want, ok := users[user]
	return ok && subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1
}
