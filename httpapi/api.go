// Package httpapi serves Slipway's HTTP API: the records of the store, the live state of machines and load balancers, and
// the long work an operator does. It knows the domain's interfaces alone. The API describes itself at /openapi.json.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/audit"
	"github.com/slipway-sh/slipway/auth"
)

// Config is what the API serves.
type Config struct {
	Store      slipway.Store
	Bus        slipway.Bus
	Blobs      slipway.Blobs
	Operator   slipway.Operator
	Catalog    slipway.Catalog
	Approvals  slipway.Approvals
	Pipelines  slipway.Pipelines
	StageLogs  slipway.StageLogs
	Promoter   slipway.Promoter
	Exchange   Exchange
	Secrets    slipway.SecretStore
	Statements slipway.Statements
	Cache      slipway.Cache
	Provider   slipway.Provider
	Guard      Guard
	Configs    slipway.Configurator
	Hands      Hands
	Sandboxes  Sandboxes
	Pools      Pools
	Access     *auth.Authority // who asks and may do what; nil: the API is for who is local alone
	Records    slipway.Records // nil: the Store
	Accounts   slipway.Accounts
	Lists      slipway.Lists       // nil: the Store
	Keys       slipway.RequestKeys // nil: the Store, if it can
	Log        *slog.Logger        // hears of internal errors, which callers are not shown
	Version    string              // of slipwayd
	Audit      slipway.AuditLog    // nil: the Store, if it can; without one nothing can be changed
	Limits     Limits
	Checkpoint audit.Signer        // signs checkpoints of the audit log
	PublicURL  string              // where browsers find this slipwayd; "": wherever they have found it
	Parts      func() []ServerPart // what slipwayd works with elsewhere; nil: nothing

	Triggers      slipway.Triggers
	Subscriptions slipway.Subscriptions
}

// New returns the API's handler. Who asks is known by a token, a session, or, on a unix socket of a server with [ConnContext], by whose
// process it is. It refuses what a web page of another origin sends. The server round it sets the limits on time: none on writing, since
// events and logs are streams.
func New(cfg Config) *Handler {
	a := newAPI(cfg)
	return &Handler{a.handler(), a}
}

// Handler serves the API.
type Handler struct {
	http.Handler
	api *api
}

// Close writes what of the audit log was to be written later. Call it when nothing is served any more.
func (h *Handler) Close() { h.api.strangers.flush() }

func newAPI(cfg Config) *api {
	a := &api{Config: cfg}
	if a.Log == nil {
		a.Log = slog.New(slog.DiscardHandler)
	}
	if a.Lists == nil {
		a.Lists, _ = cfg.Store.(slipway.Lists)
	}
	if a.Records == nil {
		a.Records, _ = cfg.Store.(slipway.Records)
	}
	if a.Keys == nil {
		a.Keys, _ = cfg.Store.(slipway.RequestKeys)
	}
	if a.Audit == nil {
		a.Audit, _ = cfg.Store.(slipway.AuditLog)
	}
	if a.Access == nil {
		a.Access = auth.New(auth.Config{Log: a.Log})
	}
	records, ok := cfg.Store.(slipway.ClusterRecords)
	if !ok {
		records = oneByOne{cfg.Store}
	}
	a.clusters = clusters{store: cfg.Store, records: records, provider: cfg.Provider, pools: cfg.Pools, log: a.Log}
	a.decide, a.lacks = a.permit, a.lacking()
	a.strangers = newTally(a.writeTurnedAway)
	return a
}

func (a *api) handler() http.Handler {
	a.mux, a.views = http.NewServeMux(), viewable(a.routes())
	a.mount(humago.New(a.mux, a.description()))
	limits := newLimiter(a.Limits)
	return limits.limited(a.authenticate(limits.known(a.audited(a.mux, guard(a.PublicURL, legible(unknown(a.mux)))))))
}

// mount serves and describes every route.
func (a *api) mount(h huma.API) {
	for _, r := range a.routes() {
		op := r.operation(h.OpenAPI().Components.Schemas)
		op.Middlewares = r.middlewares(a)
		r.register(a, h, op)
	}
	a.exemplify(h.OpenAPI())
}

type api struct {
	Config
	clusters  clusters
	mux       *http.ServeMux
	changes   locks
	decide    func(ctx context.Context, in any) error // whether a request may be done: permit
	lacks     map[string]error                        // why routes cannot be served, by their operation ID
	views     map[string]bool                         // paths of routes that show one thing
	states    batches[snapshot]
	strangers *tally
}

// route is one line of the API's table.
type route struct {
	method  string
	path    string
	access  access
	id      string
	summary string
	about   string
	handler
}

// routes is the API.
func (a *api) routes() []route {
	return []route{
		{"GET", "/healthz", open, "health", "Is slipwayd ready?", "Answers as soon as slipwayd serves, or, standing by for another that works, passes on what it is asked; else 503.", get(a.health)},

		{"POST", "/v1/blobs/missing", view.of(anything), "missingBlobs", "Which blobs must be uploaded?", "Returns those of the given digests that are not stored yet.", post(a.missingBlobs).withContext()},
		{"PUT", "/v1/blobs/{digest}", deploy.of(anything), "putBlob", "Upload a blob", "Stores the request's body under its digest. A body with another digest is refused, and nothing is kept of it. Uploading again changes nothing.", upload(a.putBlob)},

		{"POST", "/v1/secrets", deploy.of(anything), "putSecrets", "Hand over secrets for a bake", "Keeps values in slipwayd's memory, never on a disk, until the bake that uses them is over or an hour has passed without use. A script sees them as files in /run/secrets.", change(a.putSecrets).withContext().unkeyed()},

		{"POST", "/v1/bakes", deploy.of(aboutBody), "bake", "Bake an image", "Starts a bake and the tests of its image, and returns at once. A bake with the same inputs that is under way is joined. The files of the context must have been uploaded as blobs.", accept(a.bake).withContext()},
		{"POST", "/v1/bakes/plan", view.of(aboutBody), "planBake", "Say what a bake would do", "Layer by layer: in the cache, or to be built, and why. Builds nothing and pulls nothing. The files of the context must have been uploaded.", post(a.planBake).withContext()},
		{"GET", "/v1/bakes", view.each(), "listBakes", "List bakes", "Newest first.", get(a.listBakes)},
		{"GET", "/v1/bakes/{id}", view.of(aboutBake), "getBake", "Show a bake", "", get(a.getBake)},

		{"GET", "/v1/cache", view.of(anything), "getCache", "Show what is stored for bakes to come", "And what of it would go now, by the server's limits.", get(a.getCache)},
		{"POST", "/v1/cache/prune", operate.of(everything), "pruneCache", "Remove cached layers, and content that nothing needs", "Nothing goes that an image, a server group or a bake under way needs, nor what was uploaded within the last hours.", change(a.pruneCache)},

		{"POST", "/v1/executions", deploy.of(aboutBody), "ship", "Ship: bake, test and deploy", "Starts a bake and then deploys its image to the environments one after the other. Returns at once.", accept(a.ship).withContext()},
		{"GET", "/v1/executions", view.each(), "listExecutions", "List executions", "Newest first.", get(a.listExecutions)},
		{"POST", "/v1/executions/{id}/restart", deploy.of(aboutWork), "restartExecution", "Run an execution of a pipeline again from a stage", "With the same definition, image and parameters. Stages that succeeded, and come after none that runs again, stay as they are. A conflict while it is under way.", accept(a.restartExecution)},
		{"GET", "/v1/executions/{id}/stages/{stage}/log", view.of(aboutExecution), "stageLog", "Read what the command of a stage printed", "The end of it, if it is long.", get(a.stageLog)},
		{"POST", "/v1/pipelines/runs", deploy.of(aboutPipeline), "runPipeline", "Run a pipeline", "Of the slipway.yaml that comes with bake, or else as the application's newest one has it. Returns at once: the execution runs, or waits for its turn. A conflict if another one is under way and the pipeline says to refuse.", accept(a.runPipeline).withContext()},
		{"POST", "/v1/pipelines/plans", view.of(aboutBody), "planPipeline", "Say what an execution of a pipeline would do", "Which stages there are, what each does and needs, and whether it runs, as far as that is known before. Does nothing.", post(a.planPipeline).withContext()},
		{"GET", "/v1/executions/{id}", view.of(aboutExecution), "getExecution", "Show an execution", "", get(a.getExecution)},

		{"POST", "/v1/deployments", deploy.of(aboutBody), "deploy", "Deploy an image", "Moves a cluster to an image by its environment's strategy. Returns at once. While another deployment of the cluster is under way it is a conflict, or waits for its turn, or ends the other, as on_conflict or the environment's policy says. Refused if a freeze, a pin or a veto forbids it.", accept(a.deploy)},
		{"POST", "/v1/rollbacks", deploy.of(aboutBody), "rollback", "Roll back", "Moves a cluster back to what it ran before, or to any earlier image. Returns at once. Freezes do not forbid it; pins and vetoes do.", accept(a.rollback)},
		{"GET", "/v1/deployments", view.each(), "listDeployments", "List deployments", "Newest first.", get(a.listDeployments)},
		{"GET", "/v1/deployments/{id}", view.of(aboutDeployment), "getDeployment", "Show a deployment", "What was asked, how far it is, what it waits for and when it moves by itself, and what it would undo.", get(a.getDeployment)},
		{"POST", "/v1/deployments/{id}/commands", deploy.of(aboutDeployment), "commandDeployment", "Tell a deployment that is under way something", "To pause, go on, be done with waiting, do again what failed, or that a person approves or rejects. Answers with the deployment as it is then. A conflict if it is over, or not in a state in which that makes sense.", change(a.command)},
		{"POST", "/v1/deployments/{id}/retry", deploy.of(aboutDeployment), "retryDeployment", "Start a deployment that failed again", "As it was asked for. One that needs attention is first taken back as far as possible. Answers with the new deployment.", accept(a.retry)},

		{"GET", "/v1/triggers", view.each(), "listTriggers", "List triggers", "", get(a.listTriggers)},
		{"POST", "/v1/triggers", operate.of(aboutTriggerSpec), "addTrigger", "Make a trigger", "It starts a pipeline or a deployment when a webhook comes in, a file is pushed, a channel moves, a time of day comes or an execution is over. A webhook's secret is in the answer, and shown this once.", change(a.addTrigger).unkeyed()},
		{"GET", "/v1/triggers/{id}", view.of(aboutTrigger), "getTrigger", "Show a trigger, and what it did lately", "", get(a.getTrigger)},
		{"PUT", "/v1/triggers/{id}/enabled", operate.of(aboutTrigger), "enableTrigger", "Let a trigger fire, or no more", "What happens while it does not fire is not made up for.", change(a.enableTrigger)},
		{"PUT", "/v1/triggers/{id}/secret", operate.of(aboutTrigger), "rotateTrigger", "Give a webhook another secret", "It is in the answer, and shown this once. The old one is taken for the time of overlap.", change(a.rotateTrigger)},
		{"POST", "/v1/triggers/{id}/test", view.of(aboutTrigger), "testTrigger", "Say what a webhook would start", "As if it had come in, but that its signature is not looked at and nothing is done. Of a time of day: when it comes.", post(a.testTrigger)},
		{"DELETE", "/v1/triggers/{id}", operate.of(aboutTrigger), "removeTrigger", "Remove a trigger", "Answers with what it was.", change(a.removeTrigger)},
		{"POST", "/v1/hooks/{id}", open, "receiveHook", "Take a webhook", "What GitHub, GitLab and others send for the trigger of that id. Whoever knows its secret may: the body's signature is verified as GitHub and GitLab have it, or as Standard Webhooks says. 202 with what was started; 200 if it is not what the trigger waits for; 401 if it is not signed, or forged; 403 if it is too old; 409 if it was here before.", hook(a.receiveHook)},
		{"PUT", "/v1/applications/{application}/artifacts/{name}", deploy.of(inPath), "pushArtifact", "Push a file that CI has built", "Its triggers fire: the application is baked as it was last, but for the file whose place it takes.", receive(a.pushArtifact)},
		{"GET", "/v1/applications/{application}/artifacts", view.of(inPath), "listArtifacts", "List files that were pushed", "Newest first.", get(a.listArtifacts)},

		{"GET", "/v1/subscriptions", view.each(), "listSubscriptions", "List who is told of what", "", get(a.listSubscriptions)},
		{"POST", "/v1/subscriptions", operate.of(aboutBody), "addSubscription", "Tell somebody of events", "By a webhook, which is signed as Standard Webhooks says, by e-mail, or by chat. A webhook's secret is in the answer, and shown this once.", change(a.addSubscription).unkeyed()},
		{"GET", "/v1/subscriptions/{id}", view.of(aboutSubscription), "getSubscription", "Show a subscription", "", get(a.getSubscription)},
		{"PUT", "/v1/subscriptions/{id}/enabled", operate.of(aboutSubscription), "enableSubscription", "Tell somebody, or no more", "What happens while it is not enabled is not made up for.", change(a.enableSubscription)},
		{"PUT", "/v1/subscriptions/{id}/secret", operate.of(aboutSubscription), "rotateSubscription", "Give a webhook another secret", "It is in the answer, and shown this once. Requests are signed with the old one, too, for the time of overlap.", change(a.rotateSubscription)},
		{"POST", "/v1/subscriptions/{id}/test", operate.of(aboutSubscription), "testSubscription", "Send a notification to try it", "At once, and once. Answers with what came of it.", change(a.testSubscription)},
		{"DELETE", "/v1/subscriptions/{id}", operate.of(aboutSubscription), "removeSubscription", "Tell somebody no more", "Answers with what it was.", change(a.removeSubscription)},
		{"GET", "/v1/deliveries", view.each(), "listDeliveries", "List notifications", "Newest first. Those in the state dead were tried for a day and given up.", get(a.listDeliveries)},
		{"POST", "/v1/deliveries/{id}/retry", operate.of(everything), "retryDelivery", "Try a notification again", "One that was given up, from the start.", change(a.retryDelivery)},
		{"POST", "/v1/deliveries/{id}/discard", operate.of(everything), "discardDelivery", "Give up a notification", "", change(a.discardDelivery)},

		{"POST", "/v1/releases", deploy.of(aboutBody), "release", "Release several applications as one", "Moves each of them to its image, in order or all at once: all of them, or none. Returns at once.", accept(a.release)},
		{"GET", "/v1/releases", view.each(), "listReleases", "List releases", "Newest first.", get(a.listReleases)},
		{"GET", "/v1/releases/{id}", view.of(aboutRelease), "getRelease", "Show a release", "", get(a.getRelease)},

		{"GET", "/v1/restrictions", view.each(), "listRestrictions", "List freezes, pins and vetoes", "Oldest first; those that are in force.", get(a.listRestrictions)},
		{"POST", "/v1/restrictions", operate.of(aboutBody), "restrict", "Freeze, pin or veto", "Keeps deployments from beginning; what is under way goes on. What is there already is answered as it is; a freeze that would last longer makes it last as long.", change(a.restrict)},
		{"GET", "/v1/restrictions/{id}", view.of(aboutRestriction), "getRestriction", "Show a freeze, a pin or a veto", "", get(a.getRestriction)},
		{"DELETE", "/v1/restrictions/{id}", operate.of(aboutRestriction), "lift", "Lift a freeze, a pin or a veto", "Wants a reason. Answers with what it was.", change(a.lift).of("/v1/restrictions/{id}")},

		{"POST", "/v1/promotions", deploy.of(aboutBody), "promote", "Promote an image", "Moves the very image that serves in one environment to another. Returns at once; approvals are asked for and waited on, and, if that is asked for, so are windows and the time that it must have served. Refused, with all that is not met, each in errors under its kind, if something is that is not waited for.", accept(a.promote)},
		{"POST", "/v1/promotions/plan", view.of(aboutBody), "planPromotion", "Say what a promotion would do", "Every condition, met or not, with what would meet it and when. Changes nothing.", post(a.planPromotion)},
		{"GET", "/v1/promotions", view.each(), "listPromotions", "List promotions", "Newest first.", get(a.listPromotions)},
		{"GET", "/v1/promotions/{id}", view.of(aboutPromotion), "getPromotion", "Show a promotion", "", get(a.getPromotion)},

		{"GET", "/v1/approvals", view.each(), "listApprovals", "List approvals", "What people are asked and what they answered. Newest first.", get(a.listApprovals)},
		{"GET", "/v1/approvals/{id}", view.of(aboutApproval), "getApproval", "Show an approval", "", get(a.getApproval)},
		{"GET", "/v1/approvals/{id}/diff", view.of(aboutApproval), "diffApproval", "Show what would be approved", "Packages, files, service, environments and layers: from the image that served when it was asked to the one that is to replace it. Not found if nothing served.", get(a.diffApproval)},
		{"POST", "/v1/approvals/{id}/votes", approve.of(aboutApproval), "vote", "Approve or reject", "The answer of who asks for it; a second one replaces the first. Refused if that does not count, as the requester's; a conflict if the approval is decided or has expired. One rejection rejects.", change(a.vote)},

		{"POST", "/v1/analyses", view.of(aboutBody), "analyse", "Compare two server groups", "Over a time that has been, as a canary is compared with its baseline: by default the groups of a deployment, while they shared the traffic, by its own metrics. Changes nothing, and may be asked as often as one likes.", post(a.analyse)},

		{"POST", "/v1/abort/{id}", deploy.of(aboutWork), "abort", "Abort a bake, deployment, promotion, release or execution", "Ends it and undoes what it did. Returns when the wish is recorded; no error if it is over already.", accept(a.abort)},

		{"GET", "/v1/applications", view.each(), "listApplications", "List applications", "As they were last baked.", get(a.listApplications)},
		{"GET", "/v1/applications/{application}", view.of(inPath), "getApplication", "Show an application", "As it was last baked.", get(a.getApplication)},
		{"GET", "/v1/images", view.each(), "listImages", "List images", "Newest first.", get(a.listImages)},
		{"GET", "/v1/images/{application}/{ref}", view.of(inPath), "getImage", "Show an image", "The one that is meant by a channel, a version label, a digest, at least six of its first digits, or \"latest\": the newest ready one.", get(a.getImage)},
		{"GET", "/v1/images/{application}/{ref}/status", view.of(inPath), "getImageStatus", "Show an image and what has to do with it now", "Channels that name it, server groups and machines of it, and whether what it is built on has moved on.", get(a.getImageStatus)},
		{"GET", "/v1/images/{application}/{ref}/verification", view.of(inPath), "verifyImage", "Verify an image", "Hashes every part of it, unless this slipwayd has done so since the part was last changed, and checks that a trusted key signed how it was made, what is in it, and that it passed its tests. An error, naming the part, unless all is well.", get(a.verifyImage)},
		{"GET", "/v1/images/{application}/{ref}/statements/{kind}", view.of(inPath), "getStatement", "Show what is signed about an image", "An in-toto statement in a DSSE envelope, verified: SLSA provenance, its tests' results, or a CycloneDX bill of materials.", get(a.getStatement)},
		{"GET", "/v1/keys", view.of(anything), "listKeys", "List the keys whose signatures are trusted", "Public keys.", get(a.listKeys)},
		{"GET", "/v1/images/{application}/{ref}/ancestry", view.of(inPath), "getAncestry", "Show what an image is built on, and what is built on it", "Over all applications.", get(a.getAncestry)},
		{"GET", "/v1/images/{application}/{ref}/diff", view.of(bothImages), "diffImages", "Compare two images", "Packages, files, service, environments and layers, from the image of the path to that of the query.", get(a.diffImages)},
		{"PUT", "/v1/images/{application}/{ref}/revocation", operate.of(allOfPath), "revokeImage", "Revoke an image", "It cannot be launched from then on: not deployed, not rolled back to, not tried, not built on. What runs of it is left alone, replaced when it dies, and listed in the answer.", change(a.revokeImage).of("/v1/images/{application}/{ref}")},
		{"DELETE", "/v1/images/{application}/{ref}/revocation", operate.of(allOfPath), "reinstateImage", "Lift an image's revocation", "Changes nothing if there is none.", change(a.reinstateImage).of("/v1/images/{application}/{ref}")},
		{"POST", "/v1/images/{application}/{ref}/pushes", deploy.of(inPath), "pushImage", "Send an image to a registry", "With all documents about it, and only what the registry does not have. The answer is how far it is, one JSON object a line; the last has the image, or an error. Ends when the client goes away, and goes on where it was when it is done again.", exchange(a.pushImage)},
		{"POST", "/v1/pulls", deploy.of(aboutBody), "pullImage", "Take an image from a registry", "Registers an image that was pushed, once all of it is here and verified. The answer is as that of pushImage.", exchange(a.pullImage)},
		{"GET", "/v1/catalog", view.each(), "listImageStatuses", "List images and what has to do with them now", "Newest first.", get(a.listImageStatuses)},
		{"POST", "/v1/prunes", operate.of(aboutBody), "pruneImages", "Remove images that nothing needs", "Without keep and days each application's own retention decides; one that has none loses nothing. The answer says of every image why it stays or goes.", change(a.pruneImages)},
		{"GET", "/v1/channels", view.each(), "listChannels", "List channels", "", get(a.listChannels)},
		{"GET", "/v1/channels/{application}/{channel}", view.of(inPath), "getChannel", "Show a channel", "", get(a.getChannel)},
		{"PUT", "/v1/channels/{application}/{channel}", deploy.of(allOfPath), "moveChannel", "Move a channel to an image", "At once, or not at all. Moving it to where it is changes nothing. A conflict if it is not where if_at says.", change(a.moveChannel).of("/v1/channels/{application}/{channel}")},
		{"DELETE", "/v1/channels/{application}/{channel}", operate.of(allOfPath), "deleteChannel", "Remove a channel", "The image stays.", remove(a.deleteChannel).of("/v1/channels/{application}/{channel}")},
		{"GET", "/v1/images/{application}/{ref}/tests", view.of(inPath), "imageTests", "What did the tests of an image find?", "As JSON, or with \"Accept: application/xml\" as JUnit XML for CI.", report[slipway.TestReport](a.imageTests)},
		{"POST", "/v1/images/{application}/{ref}/shell", deploy.of(inPath), "imageShell", "Look into a machine of an image", "Makes a machine, whose service is started as in production unless it says no_service, runs a shell or another program in it, and connects the caller with that: the connection is upgraded. The machine stays when its service ends, and is removed when the program has ended or the connection breaks. The image's tests may have failed; it must not be revoked.", shell(a.imageShell)},
		{"POST", "/v1/bakes/{id}/shell", deploy.of(aboutBake), "bakeShell", "Look into the sandbox of a failed bake", "Connects the caller with a shell in the sandbox that a bake with keep_on_failure has kept: the connection is upgraded.", shell(a.bakeShell)},
		{"POST", "/v1/rebuilds", deploy.of(aboutBody), "rebuildImage", "Build an image again, and compare", "Starts a bake from the image's recorded inputs, without cache and with the very same packages. The bake fails, and names the files that differ, unless every layer comes out the same. It registers nothing.", accept(a.rebuild)},

		{"GET", "/v1/environments", view.each(), "listEnvironments", "List environments", "By name: those that an application's newest slipway.yaml has, or to which something was deployed.", get(a.listEnvironments)},
		{"GET", "/v1/environments/{environment}", view.of(inPath), "getEnvironment", "Show an environment", "Its applications, and what their newest slipway.yaml say of it.", get(a.getEnvironment)},
		{"GET", "/v1/environments/{environment}/state", view.of(inPath), "getEnvironmentState", "Show all of an environment as it is now", "What runs where, how it is, what is not as it was decided, who put it there and since when, and what comes next.", whole[slipway.EnvironmentState](a.environmentState)},
		{"GET", "/v1/clusters/{application}/{environment}/state", view.of(inPath), "getClusterState", "Show at a glance how a cluster is now", "As in its environment's state.", get(a.clusterState)},
		{"GET", "/v1/accounts", view.of(anything), "listAccounts", "List accounts", "Where machines run, what there is of room and what is left of it.", get(a.listAccounts)},
		{"GET", "/v1/accounts/{account}", view.of(anything), "getAccount", "Show an account", "", get(a.getAccount)},
		{"GET", "/v1/load-balancers", view.each(), "listLoadBalancers", "List load balancers as they are now", "By name: their listeners, what they should send where, and what they do, with their counters.", get(a.listLoadBalancers)},
		{"GET", "/v1/load-balancers/{name}", view.of(aboutBalancer), "getLoadBalancer", "Show a load balancer as it is now", "", get(a.getLoadBalancer)},
		{"GET", "/v1/config/{application}/{environment}", view.of(inPath), "getConfig", "Show service configuration", "The newest version: number 0, without entries, where there is none. Secrets are never shown.", get(a.getConfig)},
		{"GET", "/v1/config/{application}/{environment}/versions", view.of(inPath), "listConfigs", "List versions of service configuration", "Newest first.", get(a.listConfigs)},
		{"GET", "/v1/config/{application}/{environment}/versions/{number}", view.of(inPath), "getConfigVersion", "Show a version of service configuration", "Secrets are never shown.", get(a.getConfigVersion)},
		{"GET", "/v1/config/{application}/{environment}/diff", view.of(inPath), "diffConfigs", "Compare two versions of service configuration", "A secret differs if it was given another value; neither is shown.", get(a.diffConfigs)},
		{"POST", "/v1/config/{application}/{environment}", operate.of(inPath), "changeConfig", "Change service configuration", "Makes a new version from the newest, or from an earlier one, and, if asked to, rolls it out: a deployment of the image that serves now, whose machines are launched with it. What changes nothing makes no version. A conflict if the newest version is not that of if_newest.", change(a.changeConfig).unkeyed().of("/v1/config/{application}/{environment}")},

		{"GET", "/v1/clusters", view.each(), "listClusters", "List clusters as they are now", "", get(a.listClusters)},
		{"GET", "/v1/clusters/{application}/{environment}", view.of(inPath), "getCluster", "Show a cluster as it is now", "Its server groups and their instances, what the load balancer does, and the last deployment.", get(a.getCluster)},
		{"GET", "/v1/instances", view.each(), "listInstances", "List instances", "Every machine there is, of server groups and throw-aways: its image, age and health, what the load balancer gives it, and whether it is tainted, disabled or protected.", get(a.listInstances)},
		{"GET", "/v1/instances/{id}", view.of(aboutInstance), "getInstance", "Show an instance as it is now", "", get(a.getInstance)},
		{"GET", "/v1/instances/{id}/logs", view.of(aboutInstance), "instanceLogs", "Read an instance's log", "The last lines of its service's output, then, if asked to follow, what comes until the machine is gone.", stream(a.instanceLogs)},
		{"POST", "/v1/instances", operate.of(aboutBody), "startInstance", "Start one machine of an image", "Outside of any server group and of all traffic, with an environment's configuration if one is named. It is removed when its time is over.", change(a.startInstance)},
		{"PUT", "/v1/instances/{id}/disabled", operate.of(aboutInstance), "disableInstance", "Take an instance out of traffic", "It gets no new requests, finishes those under way and runs on; no other is launched in its place. Refused, unless forced with a reason, if too few would serve. Answers when the load balancer has taken it.", change(a.disableInstance)},
		{"DELETE", "/v1/instances/{id}/disabled", operate.of(aboutInstance), "enableInstance", "Give an instance back to traffic", "One that is unhealthy by then is replaced.", change(a.enableInstance)},
		{"PUT", "/v1/instances/{id}/protected", operate.of(aboutInstance), "protectInstance", "Protect an instance", "It is not taken when its group shrinks, and not removed by hand without force; a deployment leaves its group there, out of traffic.", change(a.protectInstance)},
		{"DELETE", "/v1/instances/{id}/protected", operate.of(aboutInstance), "unprotectInstance", "End an instance's protection", "", change(a.unprotectInstance)},
		{"PUT", "/v1/clusters/{application}/{environment}/size", operate.of(inPath), "resizeCluster", "Resize what serves a cluster", "Now, and for deployments to come as long as slipway.yaml says of it what it says now. Refused, unless forced with a reason, outside of its bounds, or if too few would serve. A conflict while a deployment is under way.", change(a.resizeCluster)},
		{"DELETE", "/v1/instances/{id}", operate.of(aboutInstance), "terminateInstance", "Terminate an instance", "Stops it gracefully. One of a server group is replaced. Refused, unless forced with a reason, if too few would serve meanwhile.", discard(a.terminateInstance).of("/v1/instances/{id}")},
		{"GET", "/v1/groups", view.each(), "listGroups", "List server groups as they are now", "By name.", get(a.listGroups)},
		{"GET", "/v1/groups/{name}", view.of(aboutGroup), "getGroup", "Show a server group as it is now", "Its ETag is of what it was made from and its size, not of its machines, which come and go.", get(a.getGroup)},
		{"DELETE", "/v1/groups/{name}", operate.of(aboutGroup), "destroyGroup", "Destroy a server group", "Stops its machines gracefully and removes it. Refused, unless forced with a reason, if it serves.", discard(a.destroyGroup).of("/v1/groups/{name}")},

		{"GET", "/v1/audit", operate.each(), "listAudit", "Who did what?", "The audit log, newest first: everything that was asked for and could change something, what came of it or why it was refused, and what slipwayd decided by itself.", get(a.listAudit)},
		{"GET", "/v1/audit/export", operate.of(everything), "exportAudit", "Read the whole audit log", "Oldest first, one entry a line, exactly as it was hashed, so that it can be verified.", export(a.exportAudit)},
		{"GET", "/v1/audit/checkpoint", operate.of(everything), "auditCheckpoint", "Fix where the audit log is", "Its last entry's number and hash, signed with the key that images are signed with, in a DSSE envelope. Whoever keeps it notices when the log is cut off or written anew.", get(a.auditCheckpoint)},

		{"GET", "/v1/login", open, "login", "Log in with a browser", "Sends the browser to the identity provider, and then back to a path of this site.", redirect(a.login)},
		{"GET", "/v1/login/callback", open, "loginCallback", "Come back from the identity provider", "With a cookie that is the browser's session, to where it wanted to go. Only the browser that has begun the login can, once.", returns(a.callback)},
		{"GET", "/v1/login/provider", open, "loginProvider", "Where do users log in?", "The issuer, and the public client as which a command line introduces itself there.", get(a.loginProvider)},
		{"POST", "/v1/logout", anyone, "logout", "End a browser's session", "Nothing happens to what shows a token.", leave(a.logout)},
		{"GET", "/v1/whoami", anyone, "whoami", "Who am I, and what may I do?", "", get(a.whoami)},
		{"GET", "/v1/access/bindings", admin.each(), "listAccess", "List who was given which role", "By subject.", get(a.listAccess)},
		{"POST", "/v1/access/bindings", admin.of(aboutBody), "grantAccess", "Give somebody a role", "To a user by name, to a group of users as group:NAME, or to everyone who is known as *. Without an application or environment in all. What was given already is answered as it is.", change(a.grantAccess)},
		{"DELETE", "/v1/access/bindings/{id}", admin.of(aboutBinding), "revokeAccess", "Take a role back", "Holds from the next request on. Answers with what it was.", change(a.revokeAccess)},
		{"POST", "/v1/access/checks", anyone, "checkAccess", "May somebody do something?", "Says by which role, or what forbids it. About others than oneself administrators are told.", post(a.checkAccess)},
		{"GET", "/v1/access/trust", admin.each(), "listTrust", "List which CI systems' jobs are trusted", "By name.", get(a.listTrust)},
		{"GET", "/v1/access/trust/{name}", admin.of(aboutTrust), "getTrust", "Show which jobs a rule trusts", "", get(a.getTrust)},
		{"PUT", "/v1/access/trust/{name}", admin.of(aboutTrust), "setTrust", "Trust jobs of a CI system", "Those whose tokens the issuer has signed, for the audience, and whose claims are as the rule says, may do what its role may.", change(a.setTrust).of("/v1/access/trust/{name}")},
		{"DELETE", "/v1/access/trust/{name}", admin.of(aboutTrust), "deleteTrust", "Trust jobs no more", "Holds from the next request on. Answers with what it was.", change(a.deleteTrust).of("/v1/access/trust/{name}")},
		{"GET", "/v1/access/rules", admin.of(everything), "listRules", "List access rules", "By name.", get(a.listRules)},
		{"GET", "/v1/access/rules/{name}", admin.of(everything), "getRule", "Show an access rule", "", get(a.getRule)},
		{"PUT", "/v1/access/rules/{name}", admin.of(everything), "setRule", "Forbid what roles allow", "By Cedar policies, which are evaluated with every request that would change something, but those for administrators. One that cannot be evaluated forbids.", change(a.setRule).of("/v1/access/rules/{name}")},
		{"DELETE", "/v1/access/rules/{name}", admin.of(everything), "deleteRule", "Forbid it no more", "Holds from the next request on. Answers with what it was.", change(a.deleteRule).of("/v1/access/rules/{name}")},
		{"POST", "/v1/access/rules/tests", view.of(anything), "tryRule", "What would a rule forbid?", "Of what the check says. Stores nothing.", post(a.tryRule)},
		{"GET", "/v1/tokens", admin.each(), "listTokens", "List tokens", "Without their secrets, which nobody can be told again.", get(a.listTokens)},
		{"POST", "/v1/tokens", admin.of(aboutBody), "createToken", "Make a token", "For CI, or a script. Its secret is in the answer, and never told again.", change(a.createToken).unkeyed()},
		{"POST", "/v1/tokens/{token}/rotations", admin.of(aboutToken), "rotateToken", "Give a token another secret", "The old one stays good for the grace. The new one is in the answer, and never told again.", change(a.rotateToken).unkeyed()},
		{"DELETE", "/v1/tokens/{token}", admin.of(aboutToken), "revokeToken", "Revoke a token", "Holds from the next request on. Answers with what it was.", change(a.revokeToken)},

		{"GET", "/v1/events", view.each(), "events", "Read events, or follow them", "Oldest first. With \"Accept: text/event-stream\" what has happened is followed by what happens, without gaps; Last-Event-ID or after says where to resume.", follow[slipway.Event](a.events)},
	}
}

func (a *api) description() huma.Config {
	c := huma.DefaultConfig("Slipway", a.Version)
	c.Info.Description = "Bakes applications into immutable machine images and rolls them out."
	c.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	c.DocsPath = "" // it would load a viewer from somebody else's server
	c.SchemasPath = ""
	c.CreateHooks = nil // adds a $schema to every answer
	c.RejectUnknownQueryParameters = true
	c.Formats = bodies()
	c.Transformers = []huma.Transformer{problems}
	register(c.Components.Schemas)
	return c
}
