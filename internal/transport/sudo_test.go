package transport

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/pullway/pullway/internal/secret"
)

// sudos are the ways sudo may behave, as shell scripts. They log their arguments
// and what they took for a password.
var sudos = map[string]string{
	"nopasswd": logArgs + `while [ "$1" != -- ]; do shift; done; shift; exec "$@"`,
	"needs a password": logArgs + `if [ "$1" = -n ]; then echo "sudo: a password is required" >&2; exit 1; fi
prompt=$3; shift 4
for try in 1 2 3; do
  printf %s "$prompt" >&2
  IFS= read -r pw || { echo "sudo: no password was provided" >&2; exit 1; }
  echo "$pw" >>"$FAKE/passwords"
  if [ "$pw" = "pass word'1" ]; then exec "$@"; fi
  echo "Sorry, try again." >&2
done
echo "sudo: 3 incorrect password attempts" >&2; exit 1`,
	"sudo-rs": logArgs + `if [ "$1" = -n ]; then echo "sudo: interactive authentication is required" >&2; exit 1; fi
prompt=$3; shift 4
printf "[sudo: %s] Password: " "$prompt" >&2
IFS= read -r pw; echo "$pw" >>"$FAKE/passwords"; exec "$@"`,
	"one try": logArgs + `printf %s "$3" >&2; IFS= read -r pw; echo "sudo: 1 incorrect password attempt" >&2; exit 1`,
	"not a sudoer": logArgs + `printf %s "$3" >&2; IFS= read -r pw
echo "deploy is not in the sudoers file.  This incident will be reported." >&2; exit 1`,
	"requiretty":     logArgs + `echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1`,
	"no_new_privs":   logArgs + `echo "sudo: The \"no new privileges\" flag is set, which prevents sudo from running as root." >&2; exit 1`,
	"another prompt": logArgs + `printf "Verification code: " >&2; IFS= read -r pw; echo "$pw" >>"$FAKE/passwords"; exit 1`,
	"broken":         logArgs + `echo "sudo: /etc/sudoers:3: syntax error" >&2; exit 1`,
}

const logArgs = `echo "$*" >>"$FAKE/args"
`

const goodPassword = "pass word'1"

func sudoServer(t *testing.T, who string) (*testServer, func(name string) string) {
	t.Helper()
	var dir string
	s := serve(t, func(s *testServer) {
		s.env = fakeBin(t, who)
		dir = strings.TrimPrefix(s.env[2], "FAKE=")
	})
	return s, func(name string) string {
		b, _ := os.ReadFile(filepath.Join(dir, name))
		return string(b)
	}
}

func TestSudoStartsTheEngine(t *testing.T) {
	cases := map[string]struct {
		sudo     string
		password string
		asked    string
	}{
		"without a password":               {"nopasswd", "", ""},
		"with a password that is not used": {"nopasswd", goodPassword, ""},
		"with a password":                  {"needs a password", goodPassword, goodPassword + "\n" + goodPassword + "\n" + goodPassword + "\n"},
		"with the prompt of sudo-rs":       {"sudo-rs", goodPassword, goodPassword + "\n" + goodPassword + "\n" + goodPassword + "\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, read := sudoServer(t, c.sudo)
			target := node(t, s.addr)
			target.User, target.BecomePassword = "deploy", secret.New(c.password)
			conn := connect(t, dialer(t), target)
			if got := talk(t, conn, "request\n"); got != "hello\nrequest\n" {
				t.Errorf("the engine said %q; the password or the request went astray", got)
			}
			// Missing, upload, start: each asks.
			if got := read("passwords"); got != c.asked {
				t.Errorf("sudo took %q for its password, want %q", got, c.asked)
			}
			if strings.Contains(read("args"), "pass word") {
				t.Error("the password is in sudo's arguments")
			}
			for _, line := range s.commands {
				if strings.Contains(line, "pass word") {
					t.Error("the password is in a command line")
				}
			}
		})
	}
}

func TestSudoRefuses(t *testing.T) {
	cases := map[string]struct {
		sudo, password string
		says           string
		passwords      string
	}{
		"it wants a password that we lack": {"needs a password", "", "there is none", ""},
		"sudo-rs wants one too":            {"sudo-rs", "", "there is none", ""},
		"the password is wrong":            {"needs a password", "wrong", "password was refused", "wrong\n"},
		"the only try failed":              {"one try", "wrong", "password was refused", ""},
		"the user may not":                 {"not a sudoer", goodPassword, "may not use sudo", ""},
		"requiretty":                       {"requiretty", goodPassword, "requiretty", ""},
		"no_new_privs":                     {"no_new_privs", "", "no_new_privs", ""},
		"it asks for something else":       {"another prompt", goodPassword, "Verification code", ""},
		"its configuration is broken":      {"broken", "", "syntax error", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, read := sudoServer(t, c.sudo)
			target := node(t, s.addr)
			target.User, target.BecomePassword = "deploy", secret.New(c.password)
			d := dialer(t)
			if c.sudo == "another prompt" { // the one that is never answered
				d.patience = 700 * time.Millisecond
			}
			_, err := connect(t, d, target).StartWith(t.Context(), []byte("the request\n"))
			e := wantError(t, err, KindSudo, c.says)
			if e.Hint == "" {
				t.Errorf("%q has no hint", e)
			}
			if strings.Contains(e.Error()+e.Hint, goodPassword) {
				t.Errorf("%q tells the password", e)
			}
			if got := read("passwords"); got != c.passwords {
				t.Errorf("sudo took %q for its password, want %q", got, c.passwords)
			}
		})
	}
}

func TestNoSudoOnTheNode(t *testing.T) {
	s := serve(t, func(s *testServer) {
		s.env = fakeBin(t, "nobody special")
		dir := strings.TrimPrefix(s.env[2], "FAKE=")
		s.env[0] = "PATH=" + dir
		s.exec = func(ch ssh.Channel, line string) {
			// The script adds the usual directories, where this machine may have a sudo.
			s.shell(ch, strings.ReplaceAll(line, ":/usr/local/bin:/usr/bin:/bin", ""))
		}
	})
	target := node(t, s.addr)
	target.User = "deploy"
	_, err := connect(t, dialer(t), target).Start(t.Context())
	wantError(t, err, KindSudo, "no sudo")
}

func TestBecomeUserMustBeRoot(t *testing.T) {
	_, err := dialer(t).Connect(t.Context(), Target{Name: "n1", Host: "192.0.2.1", BecomeUser: "postgres"})
	wantError(t, err, KindSudo, "postgres")
}

func TestPasswordWithALineBreakIsRefused(t *testing.T) {
	_, err := dialer(t).Connect(t.Context(), Target{Name: "n1", Host: "192.0.2.1", BecomePassword: secret.New("secret\n")})
	wantError(t, err, KindSudo, "line break")
}

func TestPromptFilter(t *testing.T) {
	const prompt = "ask-me:"
	cases := map[string]struct {
		writes []string
		asked  bool
		kept   string
	}{
		"alone":                  {[]string{"ask-me:"}, true, ""},
		"in pieces":              {[]string{"lecture\nas", "k-", "me:"}, true, "lecture\n"},
		"among other text":       {[]string{"a ask-me: b"}, true, "a  b"},
		"almost":                 {[]string{"ask-you:", "\n"}, false, "ask-you:\n"},
		"a beginning that isn't": {[]string{"as", "as", "x"}, false, "asasx"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newPromptFilter(prompt)
			for _, w := range c.writes {
				_, _ = f.Write([]byte(w))
			}
			if asked := len(f.prompts) == 1; asked != c.asked || f.tail.String() != c.kept {
				t.Errorf("asked %v, kept %q; want %v, %q", asked, f.tail.String(), c.asked, c.kept)
			}
		})
	}
}
