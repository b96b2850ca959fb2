package registry

import "strings"

// challenge is one way in that a WWW-Authenticate header offers (RFC 9110, 11.6.1).
type challenge struct {
	// scheme and the keys of params are in lower case.
	scheme string
	params map[string]string
}

// Bounds of what is read of WWW-Authenticate: header bytes and challenges.
const (
	maxChallengeBytes = 8 << 10
	maxChallenges     = 16
)

// parseChallenges reads the values of WWW-Authenticate. It forgives: what it
// cannot read it leaves out, so any input gives a result. Of a parameter that
// comes twice the first one counts.
func parseChallenges(values []string) []challenge {
	var all []challenge
	for _, v := range values {
		if len(v) > maxChallengeBytes {
			continue
		}
		p := challengeParser{rest: v}
		for len(all) < maxChallenges {
			c, ok := p.next()
			if !ok {
				break
			}
			all = append(all, c)
		}
	}
	return all
}

func find(all []challenge, scheme string) (challenge, bool) {
	for _, c := range all {
		if c.scheme == scheme {
			return c, true
		}
	}
	return challenge{}, false
}

type challengeParser struct{ rest string }

func (p *challengeParser) next() (challenge, bool) {
	for p.rest != "" {
		p.skip(" \t,")
		scheme := p.token()
		if scheme == "" {
			p.toComma()
			continue
		}
		c := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
		for p.param(c.params) {
		}
		return c, true
	}
	return challenge{}, false
}

// param reads one parameter. It reads nothing when the next thing is the scheme
// of another challenge: a token without = behind it.
func (p *challengeParser) param(into map[string]string) bool {
	before := p.rest
	p.skip(" \t,")
	key := strings.ToLower(p.token())
	p.skip(" \t")
	if key == "" || !strings.HasPrefix(p.rest, "=") {
		p.rest = before
		return false
	}
	p.rest = p.rest[1:]
	p.skip(" \t")
	value, ok := p.value()
	if _, twice := into[key]; ok && !twice {
		into[key] = value
	}
	p.toComma()
	return true
}

func (p *challengeParser) value() (string, bool) {
	if !strings.HasPrefix(p.rest, `"`) {
		v := p.token()
		return v, v != ""
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	p.rest = "" // no closing quote: the whole rest is lost
	return "", false
}

func (p *challengeParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

func (p *challengeParser) toComma() {
	if i := strings.IndexByte(p.rest, ','); i >= 0 {
		p.rest = p.rest[i+1:]
		return
	}
	p.rest = ""
}

// token reads up to the next delimiter. Servers write URLs without quotes, so
// more is a token here than in RFC 9110.
func (p *challengeParser) token() string {
	i := strings.IndexAny(p.rest, " \t,=\"")
	if i < 0 {
		i = len(p.rest)
	}
	t := p.rest[:i]
	p.rest = p.rest[i:]
	return t
}
