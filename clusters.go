package slipway

import "context"

// ClusterRecords reads what is recorded of many clusters at once. A [Store] that can has it.
type ClusterRecords interface {
	// ClusterNames returns every cluster that has a deployment or a route, by name.
	ClusterNames(ctx context.Context) ([]Cluster, error)
	// ClusterRoutes returns the routes of those of the clusters that have one.
	ClusterRoutes(ctx context.Context, clusters []Cluster) (map[Cluster]Route, error)
	// LatestDeployments returns, for each of the clusters, the deployments that are not over and the last that is, newest first.
	LatestDeployments(ctx context.Context, clusters []Cluster) (map[Cluster][]Deployment, error)
}
