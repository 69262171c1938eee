// Package outbound connects to the addresses that applications name: webhooks, and what answers queries. Whoever can write a
// slipway.yaml can have slipwayd connect somewhere. So by default it connects to public addresses alone: not to this host, not to the
// networks that it is in, and not to the service that tells a machine in a cloud its credentials.
package outbound
