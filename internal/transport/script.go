package transport

import (
	"path"
	"strconv"
	"strings"

	"github.com/pullway/pullway/internal/engine"
)

// DefaultEngineDir is where engines live on a node.
const DefaultEngineDir = "/var/lib/pullway/engine"

// keepOthers is how many engines of other builds stay on a node, the newest.
const keepOthers = 2

// The scripts are POSIX sh, on one line each, without single quotes, backslashes
// or exclamation marks: the user's login shell (csh and fish among them) sees
// them inside single quotes and must pass them on unchanged. They report with
// lines on standard output that begin with a random mark, so that neither a
// noisy shell start-up file nor an engine's output can be taken for a report.
//
// Common parameters: $1 the mark, $2 the engine directory.

// becomeScript goes through sudo when it has to. $3 is sudo's prompt, or "-" when
// there is no password; the rest are the words of the command.
const becomeScript = `m=$1; p=$2; shift 2; ` +
	`if [ "$(id -u)" = 0 ]; then exec "$@"; fi; ` +
	`PATH=$PATH:/usr/local/bin:/usr/bin:/bin; export PATH; LC_ALL=C; export LC_ALL; ` +
	`if command -v sudo >/dev/null 2>&1; then :; else echo "$m nosudo"; exit 97; fi; ` +
	`echo "$m sudo"; ` +
	`if [ "$p" = - ]; then exec sudo -n -- "$@"; fi; ` +
	`exec sudo -S -p "$p" -- "$@"`

// preamble of the scripts that run as root: what every command needs, and a check
// that nobody but root can put a program where we are about to run one. A sticky
// directory is as good as an unwritable one: what root owns in it stays. One ls
// looks at all of them: a program's start is what costs a node most here.
const preamble = `m=$1; d=$2; shift 2; ` +
	`PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin; export PATH; ` +
	`LC_ALL=C; export LC_ALL; me=$(id -u); ` +
	`fail() { echo "$m fail $*"; exit 97; }; ` +
	`if [ "$me" = 0 ] || [ "$1" = any ]; then :; else fail root "$me"; fi; shift; ` +
	`safe() { ls -ldn "$@" | { i=0; while read -r p z o z z z z z x; do i=$((i+1)); ` +
	`case $p in d????????[tT]*) ;; d????w*|d???????w*) fail unsafe "$x writable";; d*) ;; *) fail unsafe "${x%% -> *} kind";; esac; ` +
	`case $o in 0|"$me") ;; *) fail unsafe "$x owner";; esac; done; ` +
	`if [ "$i" = $# ]; then :; else fail unsafe "$d kind"; fi; } || exit 97; }; `

// startScript runs the engine, or says that it is missing. After $3 (who may run
// it: "root", or "any" in tests) come the hashes for amd64 and arm64 ("-" for
// none) and the directories to check.
const startScript = preamble +
	`a=$(uname -m); h=-; ` +
	`case $a in x86_64|amd64) a=amd64; h=$1;; aarch64|arm64) a=arm64; h=$2;; *) fail arch "$a";; esac; shift 2; ` +
	`f=$d/pullway-node-$h; ` +
	`if [ "$h" = - ]; then echo "$m none $a"; exit 97; fi; ` +
	`if [ -f "$f" ]; then :; else echo "$m missing $a"; exit 97; fi; ` +
	`safe "$@"; ` +
	`if [ -x "$f" ]; then :; else fail noexec; fi; ` +
	`umask 022; echo "$m ready $a"; exec "$f" serve`

// uploadScript stores what it reads as the engine. After $3 come the hash, the
// size, how many others to keep, and the directories to check.
const uploadScript = preamble +
	`umask 077; h=$1; n=$2; k=$3; shift 3; f=$d/pullway-node-$h; t=$d/.upload-$m; ` +
	`mkdir -p "$d" || fail store; chmod 0700 "$d" || fail store; safe "$@"; ` +
	`find "$d" -name ".upload-*" -mmin +60 -exec rm -f {} + 2>/dev/null; ` +
	`drop() { rm -f "$t"; }; trap drop EXIT; trap "exit 97" HUP INT TERM PIPE; ` +
	`set -C; true >"$t" || fail store; set +C; ` +
	`echo "$m go"; cat >"$t" || fail store; ` +
	`s=$(wc -c <"$t"); if [ "$s" -eq "$n" ]; then :; else fail size "$s"; fi; ` +
	`if command -v sha256sum >/dev/null 2>&1; then c=$(sha256sum <"$t"); ` +
	`elif command -v openssl >/dev/null 2>&1; then c=$(openssl dgst -sha256 -r <"$t"); ` +
	`else fail nohash; fi; c=${c%%[ *]*}; ` +
	`if [ "$c" = "$h" ]; then :; else fail hash "$c"; fi; ` +
	`chmod 0755 "$t" || fail store; if [ -x "$t" ]; then :; else fail noexec; fi; ` +
	`sync "$t" 2>/dev/null || sync; mv -f "$t" "$f" || fail store; sync "$d" 2>/dev/null || sync; ` +
	`i=0; ls -t "$d" | while IFS= read -r x; do case $x in "pullway-node-$h") ;; ` +
	`pullway-node-*) i=$((i+1)); if [ "$i" -gt "$k" ]; then rm -f "$d/$x"; fi;; esac; done; ` +
	`echo "$m stored"`

// layout is where engines live and who may run them.
type layout struct {
	dir string
	// anyUser lets others than root run the engine; for tests.
	anyUser bool
}

func (l layout) who() string {
	if l.anyUser {
		return "any"
	}
	return "root"
}

// parents lists dir and every directory above it, the highest first.
func parents(dir string) []string {
	dir = path.Clean(dir)
	if dir == "/" || dir == "." {
		return []string{"/"}
	}
	return append(parents(path.Dir(dir)), dir)
}

// startArgv is the command that starts the engine. An architecture without an
// engine gets "-".
func startArgv(l layout, mark string, hashes map[string]string) []string {
	hash := func(arch string) string {
		if h := hashes[arch]; h != "" {
			return h
		}
		return "-"
	}
	argv := []string{"/bin/sh", "-c", startScript, "pullway", mark, l.dir, l.who(), hash("amd64"), hash("arm64")}
	return append(argv, parents(l.dir)...)
}

// uploadArgv is the command that stores an engine.
func uploadArgv(l layout, mark string, e engine.Engine) []string {
	argv := []string{"/bin/sh", "-c", uploadScript, "pullway", mark, l.dir, l.who(),
		e.SHA256, strconv.FormatInt(e.Size, 10), strconv.Itoa(keepOthers)}
	return append(argv, parents(l.dir)...)
}

// becomeArgv wraps argv so that root runs it. An empty prompt means that sudo has
// no password to ask for.
func becomeArgv(mark, prompt string, argv []string) []string {
	if prompt == "" {
		prompt = "-"
	}
	return append([]string{"/bin/sh", "-c", becomeScript, "pullway", mark, prompt}, argv...)
}

// report is one line of a script.
type report struct{ word, rest string }

func parseReport(line string) report {
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	return report{word, rest}
}
