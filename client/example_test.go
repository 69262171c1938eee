package client_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/httpapi"
	"github.com/slipway-sh/slipway/sqlstore"
)

// server is where slipwayd listens: here the API on its own, with a store in which hello has been rolled out to prod three times.
var server string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sw")
	if err != nil {
		log.Fatal(err)
	}
	stop := listen(dir)
	code := m.Run()
	stop()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func Example() {
	c, err := client.New(server) // such as "https://slipway.example.com"; see client.DefaultServer
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	image, err := c.Image(context.Background(), "hello", "stable")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stable is", image.Version)
	// Output: stable is v2
}

func ExampleClient_EachDeployment() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	filter := slipway.DeploymentFilter{Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}}
	for d, err := range c.EachDeployment(context.Background(), filter) { // page by page, as long as it goes on
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(d.ID, d.State)
	}
	// Output:
	// d-3 succeeded
	// d-2 rolled_back
	// d-1 succeeded
}

// A deployment that is asked for with a key is begun once, however often it is asked for.
func ExampleWithKey() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	ctx := client.WithKey(context.Background(), "build-1871")
	request := slipway.DeployRequest{Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, Image: "v3"}
	first, err := c.Deploy(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	again, err := c.Deploy(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.ID == again.ID)
	// Output: true
}

// What is to be changed only if nobody else has changed it meanwhile is read with its entity tag first.
func ExampleWithIfMatch() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	var tag string
	ctx := client.WithETag(context.Background(), &tag)
	stable, err := c.Channel(ctx, "hello", "stable")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stable.Name, "is read")
	_, err = c.MoveChannel(client.WithIfMatch(context.Background(), `"what somebody else has changed"`), "hello", "stable", slipway.ChannelRequest{Image: "v3"})
	fmt.Println(slipway.CodeOf(err))
	_, err = c.MoveChannel(client.WithIfMatch(context.Background(), tag), "hello", "stable", slipway.ChannelRequest{Image: "v2"})
	fmt.Println(err)
	// Output:
	// stable is read
	// stale
	// <nil>
}

// Errors have a code to act on, and a message that is meant to be read.
func ExampleClient_Image() {
	c, err := client.New(server)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	_, err = c.Image(context.Background(), "hello", "v99")
	if slipway.CodeOf(err) == slipway.NotFound {
		fmt.Println(slipway.MessageOf(err))
	}
	// Output: cannot find image "v99" of application "hello"
}

// listen serves the API on a socket in dir, and returns what ends that.
func listen(dir string) (stop func()) {
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	store, err := sqlstore.Open(ctx, filepath.Join(dir, "slipway.db"))
	must(err)
	began := time.Date(2026, 3, 4, 9, 30, 0, 0, time.UTC)
	for n, state := range []slipway.DeploymentState{slipway.DeploymentSucceeded, slipway.DeploymentRolledBack, slipway.DeploymentSucceeded} {
		version, at := fmt.Sprintf("v%d", n+1), began.Add(time.Duration(n)*time.Hour)
		image := slipway.DigestOf([]byte(version))
		must(store.PutImage(ctx, slipway.Image{Digest: image, Application: "hello", Version: version, State: slipway.ImageReady, Created: at}))
		must(store.PutDeployment(ctx, slipway.Deployment{
			ID: fmt.Sprintf("d-%d", n+1), Cluster: slipway.Cluster{Application: "hello", Environment: "prod"}, Image: image, State: state, Started: at,
		}))
	}
	_, err = store.MoveChannel(ctx, slipway.ChannelMove{Application: "hello", Name: "stable", Image: slipway.DigestOf([]byte("v2")), Create: true})
	must(err)
	socket := filepath.Join(dir, "slipwayd.sock")
	l, err := net.Listen("unix", socket)
	must(err)
	server = "unix:" + socket
	s := &http.Server{
		Handler:     httpapi.New(httpapi.Config{Store: store, Operator: yard{}, Catalog: channels{store: store}}),
		ConnContext: httpapi.ConnContext, ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = s.Serve(l) }()
	return func() {
		_ = s.Close()
		_ = store.Close()
	}
}

// yard begins deployments that end at once.
type yard struct{ slipway.Operator }

func (yard) Deploy(ctx context.Context, r slipway.DeployRequest) (slipway.Deployment, error) {
	return slipway.Deployment{ID: slipway.RequestedID(ctx, "d-"), Cluster: r.Cluster, State: slipway.DeploymentSucceeded, Undo: []slipway.Undo{}}, nil
}

// channels moves channels in a store.
type channels struct {
	slipway.Catalog
	store *sqlstore.Store
}

func (c channels) MoveChannel(ctx context.Context, application, name string, r slipway.ChannelRequest) (slipway.Channel, error) {
	image, err := c.store.FindImage(ctx, application, r.Image)
	if err != nil {
		return slipway.Channel{}, err
	}
	return c.store.MoveChannel(ctx, slipway.ChannelMove{Application: application, Name: name, Image: image.Digest})
}
