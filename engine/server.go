package engine

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	clusterName     = "active"
	mainStore       = "main"
	visibilityStore = "visibility"
	// shards is the number of history shards. It is part of the database: another number makes an existing one unreadable.
	shards = 1
)

// services are the parts of Temporal that run. Its own "worker" is left out: it serves schedules, archival and batch jobs,
// which Slipway does not use, and costs memory.
var services = []primitives.ServiceName{primitives.HistoryService, primitives.MatchingService, primitives.FrontendService}

// server is a Temporal server inside this process.
type server struct {
	temporal  temporal.Server
	address   string   // of the frontend
	addresses []string // of every part
	tls       *identity
	logFile   *logFile
}

func startServer(cfg Config) (_ *server, err error) {
	s := &server{}
	if err := os.MkdirAll(filepath.Dir(cfg.LogFile), 0o750); err != nil {
		return nil, err
	}
	if s.logFile, err = openLogFile(cfg.LogFile); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.logFile.Close()
		}
	}()
	logger := log.NewZapLogger(newZap(s.logFile, cfg.Log))

	databases := map[string]string{
		mainStore:       filepath.Join(cfg.Dir, "temporal.db"),
		visibilityStore: filepath.Join(cfg.Dir, "temporal-visibility.db"),
	}
	if err := prepareMain(databases[mainStore], logger); err != nil {
		return nil, err
	}
	if err := prepareVisibility(databases[visibilityStore], logger); err != nil {
		return nil, err
	}
	conf, hosts, err := serverConfig(databases)
	if err != nil {
		return nil, err
	}
	if err := createNamespace(conf.Persistence.DataStores[mainStore].SQL); err != nil {
		return nil, err
	}
	if s.tls, err = newIdentity(); err != nil {
		return nil, err
	}
	s.address = hosts[primitives.FrontendService].Self

	names := make([]string, len(services))
	for i, name := range services {
		names[i] = string(name)
		s.addresses = append(s.addresses, hosts[name].Self)
	}
	s.temporal, err = temporal.NewServer(
		temporal.WithConfig(conf),
		temporal.ForServices(names),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(logger),
		temporal.WithDynamicConfigClient(tuning),
		temporal.WithCustomMetricsHandler(metrics.NoopMetricsHandler),
		temporal.WithTLSConfigFactory(s.tls.provider()),
		// Whoever holds the certificate is this process, and nobody else gets as far as being asked.
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
	)
	if err != nil {
		return nil, err
	}
	if err := s.temporal.Start(); err != nil {
		_ = s.temporal.Stop() // what did start
		return nil, err
	}
	return s, nil
}

func (s *server) stop() error {
	err := s.temporal.Stop()
	s.logFile.Close()
	return err
}

// tuning are the dynamic settings that differ from Temporal's defaults, which are made for clusters under heavy load.
var tuning = dynamicconfig.StaticClient{
	// The default of 20 polls a second makes every hand-off between workflow and activity wait 50 ms.
	dynamicconfig.TransferProcessorMaxPollRPS.Key():   1000,
	dynamicconfig.TimerProcessorMaxPollRPS.Key():      1000,
	dynamicconfig.VisibilityProcessorMaxPollRPS.Key(): 1000,
	// No timer fires sooner than this after it was set, not those between the tries of an activity either; the default is 1 s.
	dynamicconfig.TimerProcessorMaxTimeShift.Key(): 10 * time.Millisecond,
	// Waiting for a workflow's result now and then misses the wake-up and hangs for this long; the default is 20 s.
	dynamicconfig.HistoryLongPollExpirationInterval.Key(): time.Second,
	// One process: partitions would only add forwarding between them.
	dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
	dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
	// An activity that its own workflow task's worker can start at once need not go through matching.
	dynamicconfig.EnableActivityEagerExecution.Key(): true,
	// Bounds on memory. The history cache is bounded by entries (the default is 128,000): its bound by bytes measures a
	// workflow's state after releasing its lock, which is a data race.
	dynamicconfig.HistoryCacheHostLevelMaxSize.Key():     1000,
	dynamicconfig.EventsHostLevelCacheMaxSizeBytes.Key(): 4 << 20,
}

// serverConfig describes a cluster of one process on an address of the loopback network that is chosen at random, so that
// no other server of this host competes for its ports.
func serverConfig(databases map[string]string) (*config.Config, map[primitives.ServiceName]static.Hosts, error) {
	ip := net.IPv4(127, byte(1+rand.IntN(254)), byte(rand.IntN(256)), byte(1+rand.IntN(254)))
	ports, err := freePorts(ip, len(services))
	if err != nil {
		return nil, nil, err
	}
	hosts := make(map[primitives.ServiceName]static.Hosts)
	conf := &config.Config{
		Services:    make(map[string]config.Service),
		Persistence: config.Persistence{DefaultStore: mainStore, VisibilityStore: visibilityStore, NumHistoryShards: shards, DataStores: make(map[string]config.DataStore)},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Archival:            config.Archival{History: config.HistoryArchival{State: "disabled"}, Visibility: config.VisibilityArchival{State: "disabled"}},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
	}
	for i, name := range services {
		address := net.JoinHostPort(ip.String(), fmt.Sprint(ports[i]))
		hosts[name] = static.Hosts{All: []string{address}, Self: address}
		conf.Services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: ports[i], BindOnIP: ip.String()}}
	}
	frontend := hosts[primitives.FrontendService]
	hosts[primitives.WorkerService] = static.Hosts{All: frontend.All} // must be named, though nothing of it runs here
	conf.PublicClient.HostPort = frontend.Self
	conf.ClusterMetadata.ClusterInformation = map[string]cluster.ClusterInformation{
		clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend.Self},
	}
	for name, path := range databases {
		conf.Persistence.DataStores[name] = config.DataStore{SQL: &config.SQL{
			PluginName:   sqliteplugin.PluginName,
			DatabaseName: path,
			ConnectAttributes: map[string]string{
				"mode": "rw", "journal_mode": "WAL", "synchronous": "NORMAL", "busy_timeout": "5000",
			},
		}}
	}
	return conf, hosts, nil
}

// freePorts returns n different ports of ip that nobody listens on.
func freePorts(ip net.IP, n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: ip})
		if err != nil {
			return nil, err
		}
		defer l.Close() // not before all are chosen, so that they differ
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

// createNamespace makes Slipway's namespace, unless it is there.
func createNamespace(db *config.SQL) error {
	namespace, err := sqliteschema.NewNamespaceConfig(clusterName, Namespace, false, nil)
	if err != nil {
		return err
	}
	namespace.Detail.Config.Retention = durationpb.New(retention)
	return sqliteschema.CreateNamespaces(db, namespace)
}

// newZap makes the server's own logger. What makes Temporal give up ends the process, so it is said in slipwayd's log as well.
func newZap(file *logFile, say *slog.Logger) *zap.Logger {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.AddSync(file), zapcore.WarnLevel)
	return zap.New(core, zap.WithFatalHook(fatal{say}))
}

type fatal struct{ log *slog.Logger }

// OnWrite implements zapcore.CheckWriteHook.
func (f fatal) OnWrite(entry *zapcore.CheckedEntry, _ []zapcore.Field) {
	if f.log != nil {
		f.log.Error("Temporal cannot go on; its log has the details", "reason", entry.Message)
	}
	os.Exit(1)
}
