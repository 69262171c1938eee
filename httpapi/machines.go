package httpapi

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/slipway-sh/slipway"
)

// Hands are what people do to machines by hand. Methods are safe for concurrent use and idempotent, but for Start.
type Hands interface {
	// Disable takes an instance out of traffic. Refused, unless forced with a reason, if too few would serve.
	Disable(ctx context.Context, id string, force bool, reason, by string) (slipway.Instance, error)
	// Enable gives it back to traffic.
	Enable(ctx context.Context, id, reason, by string) (slipway.Instance, error)
	// Protect keeps an instance from being removed.
	Protect(ctx context.Context, id, reason, by string) (slipway.Instance, error)
	// Unprotect ends that.
	Unprotect(ctx context.Context, id, reason, by string) (slipway.Instance, error)
	// Start launches one machine of an image, outside of any server group.
	Start(ctx context.Context, req slipway.StartRequest) (slipway.Instance, error)
	// Resize gives what serves a cluster another size.
	Resize(ctx context.Context, req slipway.ResizeRequest) (slipway.ServerGroup, error)
}

type instancesInput struct {
	Application string   `query:"application" doc:"Only those of this application's server groups, or started for it."`
	Environment string   `query:"environment" doc:"Only those of this environment."`
	Group       string   `query:"group" doc:"Only this server group's."`
	Image       string   `query:"image" doc:"Only those of this image: a digest, at least six of its first digits, or a version label."`
	State       []string `query:"state" enum:"starting,healthy,unhealthy,stopping,dead" doc:"Only those in one of these states."`
	Only        []string `query:"only" enum:"tainted,disabled,protected,unhealthy" doc:"Only those of which all of these are so; unhealthy: in any state but healthy."`
	PageInput
}

func (in *instancesInput) wants(m slipway.Machine) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	digits := strings.TrimPrefix(in.Image, "sha256:")
	if !is(in.Application, m.Cluster.Application) || !is(in.Environment, m.Cluster.Environment) || !is(in.Group, m.Group) ||
		in.Image != "" && m.Version != in.Image && (len(digits) < 6 || !strings.HasPrefix(m.Image.Hex(), digits)) ||
		len(in.State) > 0 && !slices.Contains(in.State, string(m.State)) {
		return false
	}
	so := map[string]bool{"tainted": m.Taint != nil, "disabled": m.Disabled != nil, "protected": m.Protected != nil, "unhealthy": m.State != slipway.InstanceHealthy}
	for _, what := range in.Only {
		if !so[what] {
			return false
		}
	}
	return true
}

func (a *api) listInstances(ctx context.Context, in *instancesInput) (*listOutput[slipway.Machine], error) {
	all, err := a.machines(ctx)
	if err != nil {
		return nil, err
	}
	versions := versions{of: a.imageOf, known: map[slipway.Digest]slipway.Image{}}
	for n := range all {
		if all[n].Group == "" || in.Image != "" { // its image says whose it is; and what is asked for may be a version
			if err := versions.tell(ctx, &all[n]); err != nil {
				return nil, err
			}
		}
	}
	some := slices.DeleteFunc(all, func(m slipway.Machine) bool { return !in.wants(m) })
	// Those of a group stay together, as providers list them.
	key := func(m slipway.Machine) string { return m.Group + "\x00" + m.ID }
	if inOrder := func(x, y slipway.Machine) int { return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.ID, y.ID)) }; !slices.IsSortedFunc(some, inOrder) {
		slices.SortFunc(some, inOrder)
	}
	page, err := cut(a.page(ctx, &in.PageInput), some, nil, key)
	if err != nil {
		return nil, err
	}
	a.addTraffic(ctx, page.Body.Items)
	for n := range page.Body.Items {
		if err := versions.tell(ctx, &page.Body.Items[n]); err != nil {
			return nil, err
		}
	}
	return page, nil
}

// machines returns every instance with its cluster.
func (a *api) machines(ctx context.Context) ([]slipway.Machine, error) {
	instances, err := a.Provider.Instances(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := a.Provider.ServerGroups(ctx)
	if err != nil {
		return nil, err
	}
	clusters := make(map[string]slipway.Cluster, len(groups))
	for _, g := range groups {
		clusters[g.Name] = g.Cluster
	}
	machines := make([]slipway.Machine, len(instances))
	for n, i := range instances {
		machines[n] = slipway.Machine{Instance: i, Cluster: clusters[i.Group]}
	}
	return machines, nil
}

// addTraffic adds what the machines get, as their load balancers have it: each is looked at once.
func (a *api) addTraffic(ctx context.Context, machines []slipway.Machine) {
	pools := map[slipway.Cluster]map[string]*slipway.MachineTraffic{}
	for n, m := range machines {
		traffic, known := pools[m.Cluster]
		if !known && m.Group != "" {
			traffic = map[string]*slipway.MachineTraffic{}
			pool, err := a.Pools.Pool(ctx, m.Cluster.String())
			if err == nil { // else it has none, or none that answers: then nobody knows
				for _, t := range pool.Targets {
					traffic[t.Instance] = &slipway.MachineTraffic{Mode: t.Mode, Weight: t.Weight, Up: t.Up, Open: t.Open, Requests: t.Requests}
				}
			}
			pools[m.Cluster] = traffic
		}
		machines[n].Traffic = traffic[m.ID]
	}
}

// versions tells of which version machines are: each image is looked up once.
type versions struct {
	of    func(context.Context, slipway.Digest) (slipway.Image, error)
	known map[slipway.Digest]slipway.Image
}

// tell fills in a machine's version, and its application if it is of no server group.
func (v versions) tell(ctx context.Context, m *slipway.Machine) error {
	image, known := v.known[m.Image]
	if !known {
		var err error
		if image, err = v.of(ctx, m.Image); err != nil {
			return err
		}
		v.known[m.Image] = image
	}
	m.Version = image.Version
	if m.Group == "" {
		m.Cluster.Application = image.Application
	}
	return nil
}

// imageOf returns the record of an image; one without anything in it if there is none, as while it is tested.
func (a *api) imageOf(ctx context.Context, digest slipway.Digest) (slipway.Image, error) {
	image, err := a.Store.Image(ctx, digest)
	if slipway.CodeOf(err) == slipway.NotFound {
		return slipway.Image{}, nil
	}
	return image, err
}

type markInput struct {
	ID   string `path:"id" example:"i-4fa25ba751"`
	Body struct {
		Reason string `json:"reason,omitempty" doc:"Why, for whoever asks later." example:"it answers slowly"`
		By     string `json:"by,omitempty"`
		Force  bool   `json:"force,omitempty" doc:"Though too few would serve."`
	}
}

type unmarkInput struct {
	ID     string `path:"id" example:"i-4fa25ba751"`
	Reason string `query:"reason" doc:"Why, for whoever asks later."`
	By     string `query:"by"`
}

func (a *api) disableInstance(ctx context.Context, in *markInput) (*output[slipway.Instance], error) {
	return found(a.Hands.Disable(ctx, in.ID, in.Body.Force, in.Body.Reason, by(ctx, in.Body.By)))
}

func (a *api) enableInstance(ctx context.Context, in *unmarkInput) (*output[slipway.Instance], error) {
	return found(a.Hands.Enable(ctx, in.ID, in.Reason, by(ctx, in.By)))
}

func (a *api) protectInstance(ctx context.Context, in *markInput) (*output[slipway.Instance], error) {
	return found(a.Hands.Protect(ctx, in.ID, in.Body.Reason, by(ctx, in.Body.By)))
}

func (a *api) unprotectInstance(ctx context.Context, in *unmarkInput) (*output[slipway.Instance], error) {
	return found(a.Hands.Unprotect(ctx, in.ID, in.Reason, by(ctx, in.By)))
}

type startInput struct{ Body slipway.StartRequest }

func (a *api) startInstance(ctx context.Context, in *startInput) (*output[slipway.Instance], error) {
	req := in.Body
	req.By = by(ctx, req.By)
	if err := slipway.ValidateName("application", req.Application); err != nil {
		return nil, err
	}
	return found(a.Hands.Start(ctx, req))
}

type resizeInput struct {
	ConfigPath
	Body slipway.ResizeRequest
}

func (a *api) resizeCluster(ctx context.Context, in *resizeInput) (*output[slipway.ServerGroup], error) {
	cluster, err := in.cluster()
	if err != nil {
		return nil, err
	}
	req := in.Body
	req.Cluster, req.By = cluster, by(ctx, req.By)
	return found(a.Hands.Resize(ctx, req))
}
