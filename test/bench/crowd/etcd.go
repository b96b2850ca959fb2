package crowd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// stored writes objects as the API server keeps them in etcd.
var stored = protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)

type put struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value"`
}

// putOf is an object under its key below /registry.
func putOf(key string, gvk schema.GroupVersionKind, obj runtime.Object) (put, error) {
	obj.GetObjectKind().SetGroupVersionKind(gvk)
	var b bytes.Buffer
	if err := stored.Encode(obj, &b); err != nil {
		return put{}, fmt.Errorf("%s: %w", key, err)
	}
	return put{[]byte("/registry/" + key), b.Bytes()}, nil
}

// mostPuts in one transaction, and mostBytes: etcd's own limits are 128 and 1.5 MB.
const (
	mostPuts  = 100
	mostBytes = 1 << 20
)

// etcd is written to through its JSON gateway, which needs no client library.
type etcd struct {
	http *http.Client
	url  string
}

func (e etcd) write(ctx context.Context, puts []put) error {
	type op struct {
		Put put `json:"requestPut"`
	}
	var txn struct {
		Success []op `json:"success"`
	}
	for _, p := range puts {
		txn.Success = append(txn.Success, op{p})
	}
	body, err := json.Marshal(txn)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url+"/v3/kv/txn", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("etcd: %s: %s", resp.Status, answer)
	}
	return err
}

// writeAll sends what comes in, in transactions of mostPuts.
func (e etcd) writeAll(ctx context.Context, in <-chan put) error {
	var batch []put
	size := 0
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := e.write(ctx, batch)
		batch, size = batch[:0], 0
		return err
	}
	for p := range in {
		if len(batch) == mostPuts || size+len(p.Value) > mostBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, p), size+len(p.Value)
	}
	return flush()
}
