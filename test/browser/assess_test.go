//go:build e2e

// Package browser looks at the HTML reports in a real browser, without a screen.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/pullway/pullway/internal/impact"
	"github.com/pullway/pullway/internal/report/page"
)

// TestAssess opens a report of 3,000 workloads on 600 nodes, searches and filters it as
// a person does, and sees that it asks nobody for anything. PAGE_PICTURE names a file
// for what it looks like.
func TestAssess(t *testing.T) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: apt-get install chromium")
	}
	file := filepath.Join(t.TempDir(), "assess.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := page.Write(f, page.Page{Name: "default", Headline: "Assess: 1000 workloads of 3000 would be hurt by this change.", Made: time.Now(), Assessment: big()}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 1600))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, time.Minute)
	defer cancel()

	var mu sync.Mutex
	var asked, wrong []string
	err = chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			asked = append(asked, e.Request.URL)
		case *runtime.EventExceptionThrown:
			wrong = append(wrong, e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			wrong = append(wrong, fmt.Sprint(e.Type))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	rows := func() int {
		return ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll("#workloads tbody tr").length`))
	}
	search := func(words string) {
		t.Helper()
		ask(t, ctx, chromedp.Evaluate[any](`document.getElementById("search").select()`)) // what is typed takes its place
		do(chromedp.SendKeys(chromedp.CSS("#search"), words))
	}
	do(chromedp.Navigate("file://"+file), chromedp.WaitVisible(chromedp.CSS("#workloads tbody tr")))
	if got := ask(t, ctx, chromedp.Title()); got != "Assessment of default" {
		t.Errorf("title %q", got)
	}
	if got := rows(); got != 200 {
		t.Errorf("%d rows at first", got)
	}
	if wide := ask(t, ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); wide > 0 {
		t.Errorf("the page is %d pixels wider than the window", wide)
	}
	if p := os.Getenv("PAGE_PICTURE"); p != "" {
		if err := os.WriteFile(p, ask(t, ctx, chromedp.CaptureScreenshot()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do(chromedp.Click(chromedp.CSS("#more")))
	if got := rows(); got != 400 {
		t.Errorf("%d rows after one more page", got)
	}
	search("what is nowhere")
	if got := ask(t, ctx, chromedp.Text(chromedp.CSS("#shown"))); got != "0 of 0 shown, of 3000 in all" {
		t.Errorf("a search for what is nowhere says %q", got)
	}
	search("shop-7 WEB-1477")
	if got, first := rows(), ask(t, ctx, chromedp.Text(chromedp.CSS("#workloads tbody tr td:nth-child(2)"))); got != 1 || !strings.Contains(first, "shop-7/web-1477") {
		t.Errorf("%d found: %q", got, first)
	}
	search("web-14")
	do(chromedp.Click(chromedp.CSS(`.tile[data-verdict="fails-now"]`)))
	// Of web-14, web-140 to web-149 and web-1400 to web-1499 every third fails now.
	if got := rows(); got != 36 {
		t.Errorf("%d rows of fails now", got)
	}
	if got := ask(t, ctx, chromedp.Evaluate[string](`String(window.injected)`)); got != "undefined" {
		t.Error("a script in a name ran")
	}

	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 1 || !strings.HasPrefix(asked[0], "file://") {
		t.Errorf("it asked for %q", asked)
	}
	if len(wrong) > 0 {
		t.Errorf("the browser says %q", wrong)
	}
}

func ask[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func big() *impact.Assessment {
	yes, no := true, false
	a := &impact.Assessment{Version: "v1.37.2", Nodes: 600, InQuestion: 600, Pods: 12000, Containers: 15000,
		Summary: impact.Counts{FailsNow: 1000, FailsIfRestarted: 600, FailsIfMoved: 400, Safe: 1000}, ByChange: impact.Counts{FailsNow: 400, FailsIfRestarted: 600},
		Restarts: impact.Restarts{Known: 600, Nodes: make([]string, 200), Pods: 4000},
		Gaps:     []impact.Gap{{What: "list horizontalpodautoscalers", Why: "forbidden", Means: "what is about to scale is not known", Hint: "see --print-rbac"}}}
	for _, r := range []string{"192.168.21.9", "harbor.example.com", "docker.io"} {
		a.Endpoints = append(a.Endpoints, impact.Endpoint{Registry: r, URL: "https://" + r, Asked: true, OK: true, Images: 40, Has: 40})
	}
	for i := range 600 {
		n := impact.NodeImpact{Name: fmt.Sprintf("node%d", i+1), Wave: i / 60, Restart: &no, Ready: true, Pods: 20, Workloads: impact.Counts{Safe: 12}}
		if i%3 == 0 {
			n.Restart, n.Why, n.Workloads = &yes, "config_path is set for the first time", impact.Counts{FailsNow: 2, Safe: 10}
		}
		n.Registries = append(n.Registries, a.Endpoints...)
		if i%200 == 7 {
			n.Registries[1] = impact.Endpoint{Registry: "harbor.example.com", URL: "https://harbor.example.com", Asked: true, Error: "tls: certificate signed by unknown authority", Fault: "unknown-ca"}
		}
		if i == 12 {
			n.Drained, n.Cordoned = true, true
		}
		a.NodeImpacts = append(a.NodeImpacts, n)
	}
	for w := range 10 {
		a.Waves = append(a.Waves, impact.WaveImpact{Wave: w, Nodes: make([]string, 60), Restarts: 20, Workloads: impact.Counts{FailsNow: 40, Safe: 260}})
	}
	verdicts := []impact.Verdict{impact.FailsNow, impact.FailsIfRestarted, impact.Safe}
	for i := range 3000 {
		w := impact.Workload{Namespace: fmt.Sprintf("shop-%d", i%10), Kind: "Deployment", Name: fmt.Sprintf("web-%d", i), Verdict: verdicts[i%3], Cause: impact.ByChange,
			Reason: "the image is not on the node, and harbor.example.com has no such image", Do: "push it, or pull it beforehand: pullway prepull", Pods: 4, On: []string{"node1", "node2"}, OnNodes: 2,
			Exposed: []impact.Exposure{impact.SingleReplica},
			Images: []impact.Image{{Container: "app", Kind: "container", Ref: fmt.Sprintf("harbor.example.com/shop/web:%d", i), Policy: "Always", Verdict: verdicts[i%3], Reason: "no such image", Nodes: 600, Lacking: 20,
				Before: []string{"https://harbor.example.com"}, After: []string{"https://192.168.21.9", "https://harbor.example.com"}}}}
		if i == 0 {
			w.Reason = `<img src=x onerror="window.injected=1"></script><script>window.injected=1</script>`
		}
		a.Workloads = append(a.Workloads, w)
	}
	return a
}
