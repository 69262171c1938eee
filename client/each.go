package client

import (
	"context"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/slipway-sh/slipway"
)

// The iterators below yield what lists have, page after page as it is wanted, and an error last if one comes. Whoever ends early asks for no
// more than is wanted.

// EachBake yields the bakes that filter selects, newest first.
func (c *Client) EachBake(ctx context.Context, filter slipway.BakeFilter) iter.Seq2[slipway.Bake, error] {
	return pages[slipway.Bake](ctx, c, "/v1/bakes", query("application", filter.Application, "state", words(filter.States)))
}

// EachDeployment yields the deployments that filter selects, newest first.
func (c *Client) EachDeployment(ctx context.Context, filter slipway.DeploymentFilter) iter.Seq2[slipway.Deployment, error] {
	return pages[slipway.Deployment](ctx, c, "/v1/deployments", query(
		"application", filter.Cluster.Application, "environment", filter.Cluster.Environment, "state", words(filter.States),
		"kind", string(filter.Kind), "image", string(filter.Image), "execution", filter.Execution, "by", filter.By))
}

// EachExecution yields the executions that filter selects, newest first.
func (c *Client) EachExecution(ctx context.Context, filter slipway.ExecutionFilter) iter.Seq2[slipway.Execution, error] {
	return pages[slipway.Execution](ctx, c, "/v1/executions", query("application", filter.Application, "state", words(filter.States), "image", string(filter.Image)))
}

// EachImage yields the images that filter selects, newest first.
func (c *Client) EachImage(ctx context.Context, filter slipway.ImageFilter) iter.Seq2[slipway.Image, error] {
	return pages[slipway.Image](ctx, c, "/v1/images", query("application", filter.Application, "state", words(filter.States), "revoked", filter.Revoked))
}

// EachRelease yields the releases that filter selects, newest first.
func (c *Client) EachRelease(ctx context.Context, filter slipway.ReleaseFilter) iter.Seq2[slipway.Release, error] {
	return pages[slipway.Release](ctx, c, "/v1/releases", query("environment", filter.Environment, "state", words(filter.States)))
}

// EachImageStatus yields an application's images and what has to do with them now, newest first; all applications' for "".
func (c *Client) EachImageStatus(ctx context.Context, application string) iter.Seq2[slipway.ImageStatus, error] {
	return pages[slipway.ImageStatus](ctx, c, "/v1/catalog", query("application", application))
}

// EachApproval yields the approvals that filter selects, newest first. Its After is not heeded.
func (c *Client) EachApproval(ctx context.Context, filter slipway.ApprovalFilter) iter.Seq2[slipway.Approval, error] {
	return pages[slipway.Approval](ctx, c, "/v1/approvals", approvalQuery(filter))
}

// EachPromotion yields the promotions that filter selects, newest first. Its After is not heeded.
func (c *Client) EachPromotion(ctx context.Context, filter slipway.PromotionFilter) iter.Seq2[slipway.Promotion, error] {
	return pages[slipway.Promotion](ctx, c, "/v1/promotions", query("application", filter.To.Application, "environment", filter.To.Environment))
}

// EachDelivery yields the notifications that filter selects, newest first. Its After is not heeded.
func (c *Client) EachDelivery(ctx context.Context, filter slipway.DeliveryFilter) iter.Seq2[slipway.Delivery, error] {
	return pages[slipway.Delivery](ctx, c, "/v1/deliveries", deliveryQuery(filter))
}

// EachArtifact yields the files that were pushed for an application, newest first.
func (c *Client) EachArtifact(ctx context.Context, application string) iter.Seq2[slipway.Artifact, error] {
	return pages[slipway.Artifact](ctx, c, artifactsPath(application), nil)
}

// EachMachine yields the machines that f selects, those of a server group together.
func (c *Client) EachMachine(ctx context.Context, f slipway.MachineFilter) iter.Seq2[slipway.Machine, error] {
	return pages[slipway.Machine](ctx, c, "/v1/instances", machineQuery(f))
}

// EachCluster yields all clusters as they are now, by name.
func (c *Client) EachCluster(ctx context.Context) iter.Seq2[slipway.ClusterStatus, error] {
	return pages[slipway.ClusterStatus](ctx, c, "/v1/clusters", nil)
}

// EachEvent yields the stored events that filter selects, oldest first, and ends; see [Client.Events] for those to come. Newest is not heeded.
func (c *Client) EachEvent(ctx context.Context, filter slipway.EventFilter) iter.Seq2[slipway.Event, error] {
	return pages[slipway.Event](ctx, c, "/v1/events", eventQuery(filter))
}

// EachAuditEntry yields the entries of the audit log that filter selects, newest first.
func (c *Client) EachAuditEntry(ctx context.Context, filter slipway.AuditFilter) iter.Seq2[slipway.AuditEntry, error] {
	return pages[slipway.AuditEntry](ctx, c, "/v1/audit", auditQuery(filter))
}

func approvalQuery(f slipway.ApprovalFilter) url.Values {
	return query("application", f.Application, "environment", f.Environment, "subject", f.Subject, "pending", f.Pending)
}

func deliveryQuery(f slipway.DeliveryFilter) url.Values {
	return query("subscription", f.Subscription, "state", string(f.State))
}

func auditQuery(f slipway.AuditFilter) url.Values {
	q := query("application", f.Application, "environment", f.Environment, "by", f.By, "action", f.Action,
		"object", f.Object, "failed", f.Failed, "uploads", f.Uploads, "before", f.Before)
	for name, t := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return q
}

// words are values as a query has several.
func words[T ~string](values []T) string {
	var text []string
	for _, v := range values {
		text = append(text, string(v))
	}
	return strings.Join(text, ",")
}
