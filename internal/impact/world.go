package impact

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pullway/pullway/internal/config"
)

// world is a cluster and a change with what many rules look up worked out once.
type world struct {
	c  *Cluster
	ch Change
	an Answers
	// images by their number; byText finds it by what is written in a pod.
	images []image
	byText map[string]int32
	// byTemplate are the numbers of a template's images.
	byTemplate [][]int32
	// machine of a node, an index into ch.Machines, or -1.
	machine []int32
	// class of a node: nodes of one class pull alike. Class -1 is out of question.
	class   []int16
	classes []class
	// vague are nodes that may have more images than they tell of; told are those whose
	// own CRI was asked, which have no other images.
	vague, told set
	// drained nodes are cordoned, and nothing runs there but what every node has.
	drained set
	// fits are the nodes in question where a placement may go.
	fits []set
	// checks are nodes whose kubelet checks credentials of present images.
	checks set
	pulls  map[pullKey]pull
	// looked up when first needed
	budgets map[string][]*Budget
	scalers map[[3]string]*Scaler
	counts  map[countKey]nodeCount
}

// image is one distinct image of all pods.
type image struct {
	// ref is normalised; bad is why it is none.
	ref  config.Image
	text string
	bad  string
	// has are the nodes known to have it; see world.vague.
	has set
	// holders are the nodes where pods with pull secrets hold it, by namespace; nil for
	// an image of one namespace. They are listed, for most are few of many.
	holders map[string][]int32
	// named tells that the specification serves its host.
	named bool
}

// class is nodes that pull alike: wired alike, and told the same by each endpoint.
type class struct {
	machine int32 // one of them; -1 when nobody was asked
	nodes   set
}

func newWorld(c *Cluster, ch Change, an Answers) *world {
	w := &world{c: c, ch: ch, an: an, byText: map[string]int32{}, pulls: map[pullKey]pull{}, counts: map[countKey]nodeCount{}}
	w.collect()
	w.classify()
	w.locate()
	w.drain()
	w.share()
	w.place()
	return w
}

// collect gives every image of the templates a number.
func (w *world) collect() {
	byRef := map[string]int32{}
	for i := range w.c.Templates {
		t := &w.c.Templates[i]
		numbers := make([]int32, len(t.Containers))
		for j := range t.Containers {
			text := t.Containers[j].Image
			n, ok := w.byText[text]
			if !ok {
				im := newImage(text, w.ch.Desired)
				if n, ok = byRef[im.text]; !ok {
					n = int32(len(w.images))
					w.images = append(w.images, im)
					byRef[im.text] = n
				}
				w.byText[text] = n
			}
			numbers[j] = n
		}
		w.byTemplate = append(w.byTemplate, numbers)
	}
}

func newImage(text string, d config.Desired) image {
	ref, err := config.ParseImage(text)
	if err != nil {
		return image{text: text, bad: err.Error()}
	}
	_, named := d.RegistryFor(ref.Host)
	return image{ref: ref, text: ref.String(), named: named}
}

// classify finds the machine and the class of each node.
func (w *world) classify() {
	n := len(w.c.Nodes)
	w.machine, w.class = make([]int32, n), make([]int16, n)
	for i := range w.machine {
		w.machine[i], w.class[i] = -1, -1
	}
	if w.ch.Machines == nil {
		all := newSet(n)
		for i := range n {
			w.class[i] = 0
			all.add(int32(i))
		}
		w.classes = []class{{machine: -1, nodes: all}}
		return
	}
	byKey := map[string]int16{}
	for i := range w.ch.Machines {
		m := &w.ch.Machines[i]
		if m.Node < 0 {
			continue
		}
		key := m.key()
		k, ok := byKey[key]
		if !ok {
			k = int16(len(w.classes))
			byKey[key] = k
			w.classes = append(w.classes, class{machine: int32(i), nodes: newSet(n)})
		}
		w.machine[m.Node], w.class[m.Node] = int32(i), k
		w.classes[k].nodes.add(m.Node)
	}
}

// key is equal for machines that pull alike.
func (m *Machine) key() string {
	var b strings.Builder
	fmt.Fprint(&b, m.Asked, m.Unchanged, m.Wired)
	for _, e := range m.Endpoints {
		fmt.Fprint(&b, e.Registry, e.URL, e.Asked, e.OK, e.Fault)
	}
	return b.String()
}

// locate finds out which nodes have which image: by the node's own CRI where it was
// asked, else by its status and by the containers that were made of it there.
func (w *world) locate() {
	n := len(w.c.Nodes)
	w.vague, w.told = newSet(n), newSet(n)
	bySum := make(map[Sum]int32, len(w.images))
	for i := range w.images {
		w.images[i].has = newSet(n)
		bySum[SumOf([]byte(w.images[i].text))] = int32(i)
	}
	for i := range w.c.Nodes {
		known := w.c.Nodes[i].Images
		if m := w.machine[i]; m >= 0 && w.ch.Machines[m].Images != nil {
			known = *w.ch.Machines[m].Images
			w.told.add(int32(i))
		}
		for _, s := range known.Sums {
			if im, ok := bySum[s]; ok {
				w.images[im].has.add(int32(i))
			}
		}
		if !known.Complete {
			w.vague.add(int32(i))
		}
	}
	for i := range w.c.Pods {
		p := &w.c.Pods[i]
		// A container runs on without its image, when somebody has removed that.
		if p.Node < 0 || w.told.has(p.Node) {
			continue
		}
		for j, im := range w.byTemplate[p.Template] {
			if p.holds(j) {
				w.images[im].has.add(p.Node)
			}
		}
	}
}

// holds reports whether container i was made on the pod's node.
func (p *Pod) holds(i int) bool { return i < 64 && p.Held&(1<<i) != 0 }

// ended reports whether container i has ended for good.
func (p *Pod) ended(i int) bool { return i < 64 && p.Ended&(1<<i) != 0 }

// place works out where each placement may go.
func (w *world) place() {
	for i := range w.c.Placements {
		s := newSet(len(w.c.Nodes))
		for j := range w.c.Nodes {
			if w.class[j] >= 0 && w.c.Placements[i].Fits(&w.c.Nodes[j]) {
				s.add(int32(j))
			}
		}
		w.fits = append(w.fits, s)
	}
}

// drain finds the drained nodes.
func (w *world) drain() {
	w.drained = newSet(len(w.c.Nodes))
	moving := newSet(len(w.c.Nodes))
	for i := range w.c.Pods {
		p := &w.c.Pods[i]
		kind := w.c.Owners[p.Owner].Kind
		if p.Node >= 0 && p.State&(Finished|Leaving) == 0 && kind != "DaemonSet" && kind != "StaticPod" {
			moving.add(p.Node)
		}
	}
	for i := range w.c.Nodes {
		if w.c.Nodes[i].Cordoned && !moving.has(int32(i)) {
			w.drained.add(int32(i))
		}
	}
}

// inQuestion reports whether the change is for the node.
func (w *world) inQuestion(node int32) bool { return node >= 0 && w.class[node] >= 0 }

// Questions are what the registries have to be asked before Assess can tell: each
// image whose host the specification names, at each endpoint that it would come
// from, the images of most pods first. At most `most` images are asked about;
// left is how many are not.
func Questions(c *Cluster, d config.Desired, most int) (ask []Question, left int) {
	w := &world{c: c, ch: Change{Desired: d}, byText: map[string]int32{}}
	w.collect()
	pods := make([]int, len(w.images))
	for i := range c.Pods {
		for _, im := range w.byTemplate[c.Pods[i].Template] {
			pods[im]++
		}
	}
	var order []int
	for i := range w.images {
		if w.images[i].named {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if pods[a] != pods[b] {
			return pods[b] - pods[a]
		}
		return strings.Compare(w.images[a].text, w.images[b].text)
	})
	if len(order) > most {
		order, left = order[:most], len(order)-most
	}
	for _, i := range order {
		im := &w.images[i]
		urls, _ := URLs(d, im.ref.Host)
		for _, u := range urls {
			ask = append(ask, Question{im.ref.Host, u, im.text})
		}
	}
	return ask, left
}
