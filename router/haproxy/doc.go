// Package haproxy is a [slipway.Router] on HAProxy (2.6 or later), which runs as a process of its own and outlives slipwayd.
//
// One HAProxy in master-worker mode serves all pools of a directory. Everything it needs is in that directory: its
// configuration, which it is started again with after a crash, and the socket of its master, over which targets come, go and
// change at run time. There is no other state: the configuration holds the pools as they were set last, and what is live is
// read from HAProxy. Only a new or changed listener needs a reload, which hands the listening sockets to a new worker, so that
// no connection is refused. The old worker finishes what it has under way; a request that then comes on a connection that a
// client kept open is passed to the new worker.
//
// Every target is two servers of HAProxy, one active and one backup, because that cannot be changed on a running server. At
// most one of them is enabled. Standby targets are backup servers: they get requests, retried ones included, the moment no
// active server is up.
//
// A sticky pool keeps each client with one server group while several are active. HAProxy's own ways, a cookie for each server and
// consistent hashing over servers, know servers only: a client would leave its group whenever a machine of any group comes or goes,
// and a cookie for a server cannot be given to one that is added at run time. So a map says which clients belong to which
// group; it is changed over the socket as all else is. Only whether, and by what, a pool is sticky is part of its listener.
//
// A pool whose health check has an HTTP path, or that says so, is proxied as HTTP: each request is balanced on its own, and one that a target
// broke is sent to another target if it is a GET, HEAD or OPTIONS that has not begun to be answered. A request whose connection
// could not be made goes to another target whatever its method. Every other pool is proxied as TCP: connections are balanced,
// and counted, and stay where they are until they end.
package haproxy
