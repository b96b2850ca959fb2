package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/pullway/pullway/internal/config"
	"github.com/pullway/pullway/internal/engine"
	"github.com/pullway/pullway/internal/protocol"
	"github.com/pullway/pullway/internal/secret"
)

// engineFacts are of the engine on a node: bytes, and its peak memory in KiB while
// it plans, and while it plans, changes and proves.
type engineFacts struct{ size, plan, apply int64 }

const engineDir = "/var/lib/pullway/engine"

// markEngines remembers which engines are on the nodes: a file each, beside them.
func (b *bench) markEngines(ctx context.Context) error {
	for _, n := range b.lab.Nodes() {
		if _, err := n.Exec(ctx, "ls -i "+engineDir+" >/root/engines"); err != nil {
			return err
		}
	}
	return nil
}

// countUploads counts the engines that have come to the nodes since then, or that
// were written anew.
func (b *bench) countUploads(ctx context.Context) error {
	for _, n := range b.lab.Nodes() {
		out, err := n.Exec(ctx, "ls -i "+engineDir+" | grep -v -x -F -f /root/engines | wc -l")
		if err != nil {
			return err
		}
		more, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil {
			return err
		}
		b.uploads += more
	}
	return nil
}

// lookAtEngine learns the engine's size, and its peak memory on a node, as the
// kernel tells its parent. It changes the node, so it comes last.
func (b *bench) lookAtEngine(ctx context.Context) error {
	e, err := engine.Embedded().For("amd64")
	if err != nil {
		return err
	}
	b.engine.size = e.Size
	l, err := config.Load(ctx, b.spec(), secret.System())
	if err != nil {
		return err
	}
	wire := l.Desired.ToWire()
	b.engine.plan, err = b.peak(ctx, e, protocol.Request{Op: protocol.OpPlan, Desired: &wire})
	if err != nil {
		return err
	}
	// Without a time to confirm in, it commits as soon as it is proven.
	b.engine.apply, err = b.peak(ctx, e, protocol.Request{Op: protocol.OpApply, Run: "bench", Desired: &wire})
	return err
}

func (b *bench) peak(ctx context.Context, e engine.Engine, req protocol.Request) (int64, error) {
	line, err := protocol.Encode(req)
	if err != nil {
		return 0, err
	}
	// The engine reads its input to the end before it takes the loss of it for the
	// loss of the operator: a file that stays open until the reply.
	script := fmt.Sprintf(`python3 -c 'import json, resource, subprocess, sys
p = subprocess.Popen(["%s/pullway-node-%s", "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
p.stdin.write(sys.stdin.buffer.read()); p.stdin.flush()
for line in p.stdout:
    reply = json.loads(line).get("reply")
    if reply:
        break
p.stdin.close(); p.stdout.read(); p.wait()
assert reply and not reply.get("error"), reply
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)'`, engineDir, e.SHA256)
	out, err := b.lab.Nodes()[0].ExecInput(ctx, script, bytes.NewReader(line))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(out), 10, 64)
}
