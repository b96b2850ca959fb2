package registry

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// The token service's names, as they stand in the challenge.
const (
	tokenPath    = "/service/token"
	tokenService = "lab-registry"
	tokenIssuer  = "lab-token-issuer"
	tokenKeyID   = "lab"
	tokenLife    = 5 * time.Minute
)

// tokens is the token service of one registry: GET with Basic, and the OAuth2
// form POST. A wrong password is 401; without one the token allows nothing.
type tokens struct {
	key   *rsa.PrivateKey
	knows func(user, password string) bool
	now   func() time.Time
}

func newTokens(knows func(user, password string) bool) (*tokens, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return &tokens{key: key, knows: knows, now: time.Now}, nil
}

// jwks is the public key in the form that the registry reads.
func (t *tokens) jwks() ([]byte, error) {
	pub := t.key.PublicKey
	return json.Marshal(map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": tokenKeyID,
		"n": b64(pub.N.Bytes()), "e": b64(big.NewInt(int64(pub.E)).Bytes()),
	}}})
}

type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func (t *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, given := r.BasicAuth()
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "unreadable form", http.StatusBadRequest)
			return
		}
		if r.PostForm.Get("grant_type") == "password" {
			user, password, given = r.PostForm.Get("username"), r.PostForm.Get("password"), true
		}
	} else if r.Method != http.MethodGet {
		http.Error(w, "GET or POST", http.StatusMethodNotAllowed)
		return
	}
	scopes := append(r.URL.Query()["scope"], r.PostForm["scope"]...)
	allowed := []access{}
	if given {
		if !t.knows(user, password) {
			w.Header().Set("Www-Authenticate", `Basic realm="`+tokenService+`"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"wrong name or password"}]}`, http.StatusUnauthorized)
			return
		}
		allowed = parseScopes(scopes)
	}
	token, err := t.sign(user, allowed)
	if err != nil {
		http.Error(w, "cannot sign", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token": token, "access_token": token,
		"expires_in": int(tokenLife.Seconds()), "issued_at": t.now().UTC().Format(time.RFC3339),
	})
}

// parseScopes reads values such as "repository:team/app:pull,push", several of
// them apart by spaces or repeated. What has another form is left out.
func parseScopes(scopes []string) []access {
	out := []access{}
	for _, s := range strings.Fields(strings.Join(scopes, " ")) {
		kind, rest, ok := strings.Cut(s, ":")
		i := strings.LastIndexByte(rest, ':') // a name may hold a port
		if !ok || i <= 0 {
			continue
		}
		out = append(out, access{Type: kind, Name: rest[:i], Actions: strings.Split(rest[i+1:], ",")})
	}
	return out
}

func (t *tokens) sign(user string, allowed []access) (string, error) {
	now := t.now()
	header, err := json.Marshal(map[string]string{"typ": "JWT", "alg": "RS256", "kid": tokenKeyID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": tokenIssuer, "sub": user, "aud": tokenService, "access": allowed,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(tokenLife).Unix(),
		"jti": fmt.Sprintf("%x", now.UnixNano()),
	})
	if err != nil {
		return "", err
	}
	text := b64(header) + "." + b64(claims)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(rand.Reader, t.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return text + "." + b64(sig), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
