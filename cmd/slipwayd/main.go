// Command slipwayd is Slipway's control plane, with everything it needs embedded.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
	_ "time/tzdata" // windows are in time zones, and the host need not know them

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/redact"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	// The first signal asks for an orderly end; a second one is taken as the kernel takes it.
	context.AfterFunc(ctx, cancel)
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "slipwayd:", err)
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	if slipway.CodeOf(err) == slipway.Invalid {
		return 2
	}
	return 1
}

func newCommand() *cobra.Command {
	o := options{version: version}
	logLevel := slog.LevelInfo
	cmd := &cobra.Command{
		Use:   "slipwayd",
		Short: "Slipway's control plane: bakes machine images, runs machines, rolls them out",
		Long: `slipwayd serves Slipway's API and does its work. Everything it needs is embedded and kept in one data directory.

On SIGTERM it parks the work under way and ends; machines and the load balancer keep serving, and the next
slipwayd on the same data directory goes on where this one stopped. It does the same after being killed.`,
		Args:          cobra.NoArgs,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			o.log = slog.New(redact.NewHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: logLevel})))
			return o.complete()
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return slipway.Errorf(slipway.Invalid, "%w", err) })
	cmd.PersistentFlags().StringVar(&o.data, "data", "/var/lib/slipway", "`directory` for everything slipwayd keeps")
	cmd.PersistentFlags().StringVar(&o.agent, "agent", "", "slipway-agent `program` to run inside machines (default: beside slipwayd)")
	cmd.PersistentFlags().StringVar(&o.probe, "probe", "", "slipway-probe `program` that goss tests take into machines (default: beside slipwayd)")
	cmd.PersistentFlags().TextVar(&logLevel, "log-level", logLevel, "least `level` that is logged: DEBUG, INFO, WARN or ERROR")
	cmd.Flags().StringArrayVar(&o.listen, "listen", nil, "`address` to serve the API on: unix:/path, 127.0.0.1:port, or https://host:port; repeatable (default unix:DATA/slipwayd.sock)")
	cmd.Flags().StringVar(&o.tlsCert, "tls-cert", "", "`file` with the certificate for TLS, PEM, read again when it changes (default: a certificate authority of its own in DATA/tls)")
	cmd.Flags().StringVar(&o.tlsKey, "tls-key", "", "`file` with the certificate's key, PEM")
	cmd.Flags().StringArrayVar(&o.tlsNames, "tls-name", nil, "`name` or address that clients call this server, for certificates of its own authority; repeatable (this host's own always are)")
	cmd.Flags().BoolVar(&o.insecureHTTP, "insecure-http", false, "serve http:// on addresses that others can reach, too: for behind a proxy that has TLS")
	cmd.Flags().Float64Var(&o.rate, "rate-limit", 250, "`requests` a second that an address may make for long; more is answered with 429. Below 0: any number")
	cmd.Flags().Float64Var(&o.rateEach, "rate-limit-principal", 250, "`requests` a second that a user, a token or a CI job may make for long, from whatever addresses. Below 0: any number")
	cmd.Flags().StringVar(&o.checkpoints, "audit-checkpoints", "", "`file` that signed checkpoints of the audit log are appended to by themselves; best on a disk of another host")
	cmd.Flags().DurationVar(&o.checkpointEvery, "audit-checkpoint-every", time.Hour, "how often, if there are new entries")
	cmd.Flags().Int64Var(&o.checkpointEntries, "audit-checkpoint-entries", 1000, "after how many `entries` at the latest")
	o.flags(cmd)
	o.accessFlags(cmd)
	cmd.Flags().BoolVar(&o.standby, "standby", false, "if another slipwayd works on the data directory, pass requests on to it, and take over when it has ended, however it ended")
	cmd.Flags().BoolVar(&o.takeOver, "take-over", false, "take the records of the --store over from another data directory, which is gone for good")
	cmd.Flags().StringVar(&o.lbAddress, "lb-address", "127.0.0.1", "`IP` load balancers listen on when an environment names none; 0.0.0.0 for all")
	cmd.Flags().StringArrayVar(&o.insecure, "insecure-registry", nil, "`host`[:port] of a registry to speak to without TLS; repeatable (this host's own always may be)")
	cmd.Flags().StringArrayVar(&o.outbound, "allow-outbound", nil, "`CIDR|host`[:port] that webhooks, queries and questions to identity providers may go to though it is not public, such as 10.1.0.0/16, 127.0.0.1:9090 or prometheus.internal; repeatable")
	cmd.Flags().StringVar(&o.signingKey, "signing-key", "", "`file` with the ed25519 key, PKCS#8 PEM, to sign images with (default DATA/keys/server.pem, made when missing)")
	cmd.Flags().StringVar(&o.cacheSize, "cache-size", "20GB", "`size` that cached layers may have which nothing else needs; those of use longest ago go first")
	cmd.Flags().DurationVar(&o.cacheAge, "cache-age", 30*24*time.Hour, "how long such a layer stays since it was last of use")
	cmd.Flags().StringVar(&o.smtp, "smtp", "", "mail `server` for notifications: smtp://[user@]host[:587] (STARTTLS), smtps://[user@]host[:465] (TLS) or smtp+insecure://host[:25]")
	cmd.Flags().StringVar(&o.smtpPassword, "smtp-password-file", "", "`file` with the password of the mail server's user")
	cmd.Flags().StringVar(&o.mailFrom, "mail-from", "", "`address` that mails are from, such as \"Slipway <slipway@example.com>\"")
	cmd.AddCommand(newDestroyCommand(&o), newRotateCommand(&o), newMoveCommand(&o))
	return cmd
}

// options are what slipwayd is told when it starts.
type options struct {
	outsideOptions
	accessOptions
	standby           bool
	takeOver          bool
	data              string
	agent             string
	probe             string
	listen            []string
	lbAddress         string
	insecure          []string // registries
	tlsCert, tlsKey   string
	tlsNames          []string
	insecureHTTP      bool
	rate, rateEach    float64
	outbound          []string // what may be connected to beside public addresses
	signingKey        string
	checkpoints       string
	checkpointEvery   time.Duration
	checkpointEntries int64
	cacheSize         string
	cacheAge          time.Duration
	version           string
	log               *slog.Logger

	smtp, smtpPassword, mailFrom string
}

// complete fills in the defaults that depend on other options.
func (o *options) complete() (err error) {
	if o.data, err = filepath.Abs(o.data); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	beside := filepath.Dir(self)
	o.agent = cmp.Or(o.agent, filepath.Join(beside, "slipway-agent"))
	o.probe = cmp.Or(o.probe, filepath.Join(beside, "slipway-probe"))
	o.store = cmp.Or(o.store, o.path("slipway.db"))
	if len(o.listen) == 0 {
		o.listen = []string{"unix:" + o.path("slipwayd.sock")}
	}
	return nil
}

// path returns the path of name in the data directory.
func (o *options) path(name string) string { return filepath.Join(o.data, name) }
