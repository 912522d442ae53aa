package devserver

import (
	"fmt"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"

	"rdrec/internal/document"
)

// clusterName is the name of the only cluster. The database stores clusterID, so it is the same at
// each start.
const (
	clusterName = "active"
	clusterID   = "rdrec-dev"
)

// joinTimeout is the time limit for the services to find each other.
const joinTimeout = 30 * time.Second

// serverOptions returns the options of the server: configuration, hosts, log and authorization.
func (s *Server) serverOptions(p ports, log logger) ([]temporal.ServerOption, error) {
	dynamic, diagnostics := s.options.dynamic()
	if len(diagnostics) > 0 {
		return nil, document.Error{Diagnostics: diagnostics}
	}
	c := s.config(p)
	authorizer, err := authorization.GetAuthorizerFromConfig(&c.Global.Authorization)
	if err != nil {
		return nil, fmt.Errorf("making the dev server's authorizer: %w", err)
	}
	claims, err := authorization.GetClaimMapperFromConfig(&c.Global.Authorization, log)
	if err != nil {
		return nil, fmt.Errorf("making the dev server's claim mapper: %w", err)
	}
	return []temporal.ServerOption{
		temporal.WithConfig(c),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(s.hosts(p)),
		temporal.WithLogger(log),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamic),
	}, nil
}

// config returns the server's own configuration: one shard, one cluster, SQLite for everything.
func (s *Server) config(p ports) *config.Config {
	frontend := address(s.options.IP, p.frontend)
	c := &config.Config{}
	c.Global.Membership = config.Membership{MaxJoinDuration: joinTimeout, BroadcastAddress: s.options.IP}
	c.Persistence = config.Persistence{
		DefaultStore: "sqlite", VisibilityStore: "sqlite", NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{"sqlite": {SQL: s.database.sql}},
	}
	c.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10, MasterClusterName: clusterName, CurrentClusterName: clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{
			clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend, ClusterID: clusterID},
		},
	}
	c.DCRedirectionPolicy.Policy = "noop"
	c.Services = map[string]config.Service{
		"frontend": s.service(p.frontend), "history": s.service(p.history),
		"matching": s.service(p.matching), "worker": s.service(p.worker),
	}
	c.Archival.History.State, c.Archival.Visibility.State = "disabled", "disabled"
	c.NamespaceDefaults.Archival.History.State, c.NamespaceDefaults.Archival.Visibility.State = "disabled", "disabled"
	c.PublicClient.HostPort = frontend
	return c
}

// service returns the configuration of a service that listens on port.
func (s *Server) service(port int) config.Service {
	return config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: s.options.IP}}
}

// hosts returns the addresses of the services, which replace a gossip ring.
func (s *Server) hosts(p ports) map[primitives.ServiceName]static.Hosts {
	at := func(port int) static.Hosts { return static.SingleLocalHost(address(s.options.IP, port)) }
	return map[primitives.ServiceName]static.Hosts{
		primitives.FrontendService: at(p.frontend), primitives.HistoryService: at(p.history),
		primitives.MatchingService: at(p.matching), primitives.WorkerService: at(p.worker),
	}
}
