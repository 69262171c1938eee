package httpapi

import (
	"strings"

	"github.com/slipway-sh/slipway"
)

// need is a part that routes work with, which a server need not have.
type need struct {
	name   string
	there  bool
	routes string // that cannot be served without it
}

// needs are those of all routes. The store every server has.
func (a *api) needs() []need {
	return []need{
		{"content store", a.Blobs != nil, "missingBlobs putBlob"},
		{"operator", a.Operator != nil, `bake planBake rebuildImage ship deploy rollback commandDeployment retryDeployment release restrict lift analyse abort`},
		{"catalog of images", a.Catalog != nil, `diffApproval getImageStatus getAncestry diffImages revokeImage reinstateImage listImageStatuses
			pruneImages moveChannel deleteChannel`},
		{"approvals", a.Approvals != nil, "listApprovals getApproval diffApproval vote"},
		{"pipelines", a.Pipelines != nil, "restartExecution runPipeline planPipeline"},
		{"logs of stages", a.StageLogs != nil, "stageLog"},
		{"promotions", a.Promoter != nil, "promote planPromotion listPromotions getPromotion"},
		{"registries", a.Exchange != nil, "pushImage pullImage"},
		{"store of secrets", a.Secrets != nil, "putSecrets"},
		{"signatures", a.Statements != nil, "verifyImage getStatement listKeys"},
		{"cache", a.Cache != nil, "getCache pruneCache"},
		{"provider of machines", a.Provider != nil, `imageShell listClusters getCluster getEnvironmentState getClusterState listInstances getInstance
			instanceLogs disableInstance enableInstance protectInstance unprotectInstance terminateInstance listGroups getGroup destroyGroup`},
		{"guard of traffic", a.Guard != nil, "terminateInstance destroyGroup"},
		{"service configuration", a.Configs != nil, "getConfig listConfigs getConfigVersion diffConfigs changeConfig"},
		{"hands for machines", a.Hands != nil, "startInstance disableInstance enableInstance protectInstance unprotectInstance resizeCluster"},
		{"sandboxes", a.Sandboxes != nil, "bakeShell"},
		{"load balancers", a.Pools != nil, "listClusters getCluster getEnvironmentState getClusterState listLoadBalancers getLoadBalancer listInstances"},
		{"records of environments", a.Records != nil, "listEnvironments getEnvironment getEnvironmentState getClusterState"},
		{"accounts", a.Accounts != nil, "listAccounts getAccount"},
		{"lists", a.Lists != nil, "listBakes listExecutions listDeployments listReleases listImages"},
		{"audit log", a.Audit != nil, "listAudit exportAudit auditCheckpoint"},
		{"key to sign with", a.Checkpoint != nil, "auditCheckpoint"},
		{"triggers", a.Triggers != nil, `listTriggers addTrigger getTrigger enableTrigger rotateTrigger testTrigger removeTrigger receiveHook
			pushArtifact listArtifacts`},
		{"notifications", a.Subscriptions != nil, `listSubscriptions addSubscription getSubscription enableSubscription rotateSubscription
			testSubscription removeSubscription listDeliveries retryDelivery discardDelivery`},
	}
}

// lacking returns, by operation ID, why routes cannot be served that work with what is not there.
func (a *api) lacking() map[string]error {
	lacks := map[string]error{}
	for _, n := range a.needs() {
		if n.there {
			continue
		}
		for route := range strings.FieldsSeq(n.routes) {
			lacks[route] = slipway.Errorf(slipway.Unprepared, "cannot do this: this server has no %s", n.name)
		}
	}
	return lacks
}
