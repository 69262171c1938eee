package daemon

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// Get asks the API and decodes the answer into v, unless v is nil.
func (d *Daemon) Get(ctx context.Context, path string, v any) error {
	res, err := d.open(ctx, path, "application/json")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if v == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(v)
}

func (d *Daemon) open(ctx context.Context, path, accept string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://slipwayd"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	res, err := d.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		res.Body.Close()
		return nil, fmt.Errorf("%s answered %s: %s", path, res.Status, body)
	}
	return res, nil
}

// Cluster returns a cluster as it is now.
func (d *Daemon) Cluster(ctx context.Context, c slipway.Cluster) (slipway.ClusterStatus, error) {
	var status slipway.ClusterStatus
	err := d.Get(ctx, "/v1/clusters/"+c.Application+"/"+c.Environment, &status)
	return status, err
}

// Instances returns every instance there is.
func (d *Daemon) Instances(ctx context.Context) ([]slipway.Instance, error) {
	var list struct {
		Items []slipway.Instance `json:"items"`
	}
	err := d.Get(ctx, "/v1/instances", &list)
	return list.Items, err
}

// LastEvent returns the number of the newest event, to follow from.
func (d *Daemon) LastEvent(ctx context.Context) (int64, error) {
	var last int64
	for {
		var list struct {
			Items []slipway.Event `json:"items"`
		}
		if err := d.Get(ctx, "/v1/events?limit=1000&after="+strconv.FormatInt(last, 10), &list); err != nil {
			return 0, err
		}
		if len(list.Items) == 0 {
			return last, nil
		}
		last = list.Items[len(list.Items)-1].Seq
	}
}

// errEnough ends a stream of events from within.
var errEnough = errors.New("enough")

// Await follows the events that filter selects, those that have happened already included, and returns the first that match
// accepts. It fails when ctx is done or slipwayd is gone.
func (d *Daemon) Await(ctx context.Context, filter slipway.EventFilter, match func(slipway.Event) bool) (slipway.Event, error) {
	var found slipway.Event
	err := d.follow(ctx, filter, func(e slipway.Event) error {
		if !match(e) {
			return nil
		}
		found = e
		return errEnough
	})
	if errors.Is(err, errEnough) {
		return found, nil
	}
	return found, err
}

// AwaitDeployment returns the deployment once it is over, and as long as patience lasts goes on asking a slipwayd that is down.
func (d *Daemon) AwaitDeployment(ctx context.Context, id string) (slipway.Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var deployment slipway.Deployment
		err := d.Get(ctx, "/v1/deployments/"+id, &deployment)
		if err == nil && deployment.State.Done() {
			return deployment, nil
		}
		select {
		case <-ctx.Done():
			return deployment, fmt.Errorf("deployment %s is not over: state %q, step %q (last answer: %v): %w",
				id, deployment.State, deployment.Step, err, ctx.Err())
		case <-tick.C:
		}
	}
}

// follow reads the stream of server-sent events: lines "data: {…}", an empty line after each event.
func (d *Daemon) follow(ctx context.Context, filter slipway.EventFilter, each func(slipway.Event) error) error {
	query := url.Values{"after": {strconv.FormatInt(filter.After, 10)}}
	for name, value := range map[string]string{
		"application": filter.Application, "environment": filter.Environment,
		"execution": filter.Execution, "bake": filter.Bake, "deployment": filter.Deployment,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	res, err := d.open(ctx, "/v1/events?"+query.Encode(), "text/event-stream")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var event slipway.Event
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return fmt.Errorf("cannot read event %q: %w", data, err)
		}
		if err := each(event); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("events broke off: %w", err)
	}
	return errors.New("events ended")
}
