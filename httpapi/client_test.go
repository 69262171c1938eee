package httpapi

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

// clientless are the routes that the client has no method for, and why.
var clientless = map[string]string{
	"receiveHook":   "GitHub and others send it, signed with a secret that the client does not have",
	"login":         "a browser is sent there, and on to the identity provider",
	"loginCallback": "the identity provider sends a browser there",
}

// TestClientHasEveryRoute calls every method of the client, and wants that each route of the table is asked by one of them, and that nothing
// is asked that is no route.
func TestClientHasEveryRoute(t *testing.T) {
	a := newAPI(Config{})
	a.handler()
	routes := map[string]string{}
	for _, r := range a.routes() {
		routes[r.method+" "+r.path] = r.id
	}
	var mu sync.Mutex
	asked, method := map[string]string{}, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		_, pattern := a.mux.Handler(r)
		if id := routes[pattern]; id == "" {
			t.Errorf("%s asks %s %s, which is no route", method, r.Method, r.URL.Path)
		} else {
			asked[id] = method
		}
		newProblem(http.StatusNotFound, slipway.NotFound, "cannot find it").write(w)
	}))
	defer server.Close()
	c, err := client.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c.RetryFor, c.Patience = 0, time.Nanosecond
	of := reflect.ValueOf(c)
	for i := range of.NumMethod() {
		name := of.Type().Method(i).Name
		switch name {
		case "Close", "Authenticate", "TrustCA", "PinCA":
			continue // of the connection
		}
		mu.Lock()
		method = name
		mu.Unlock()
		f := of.Method(i)
		for number := range int64(2) { // 0 is the newest, or all
			args := make([]reflect.Value, f.Type().NumIn())
			for n := range args {
				args[n] = argument(t.Context(), f.Type().In(n), number)
			}
			for _, result := range f.Call(args) {
				if result.Kind() == reflect.Func { // an iterator
					for range result.Seq2() {
						break
					}
				}
			}
		}
	}
	for _, r := range a.routes() {
		why, without := clientless[r.id]
		switch by := asked[r.id]; {
		case by == "" && !without:
			t.Errorf("%s (%s %s): the client has no method for it", r.id, r.method, r.path)
		case by != "" && without:
			t.Errorf("%s: the client asks it by %s, though %s", r.id, by, why)
		}
	}
}

// argument returns something of a type that a method can be called with.
func argument(ctx context.Context, t reflect.Type, number int64) reflect.Value {
	switch t {
	case reflect.TypeFor[context.Context]():
		return reflect.ValueOf(ctx)
	case reflect.TypeFor[io.Reader]():
		return reflect.ValueOf(strings.NewReader("x"))
	case reflect.TypeFor[slipway.Digest]():
		return reflect.ValueOf(slipway.DigestOf([]byte("x")))
	}
	v := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(number)
	case reflect.Interface:
		if fs := reflect.ValueOf(fstest.MapFS{}); fs.Type().Implements(t) {
			return fs
		}
	case reflect.Func:
		return reflect.MakeFunc(t, func([]reflect.Value) []reflect.Value { return nil })
	case reflect.Slice:
		v.Set(reflect.Append(v, argument(ctx, t.Elem(), number)))
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && (f.Type.Kind() == reflect.String || f.Type == reflect.TypeFor[slipway.Cluster]()) {
				v.Field(i).Set(argument(ctx, f.Type, number))
			}
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(t))
	}
	return v
}
