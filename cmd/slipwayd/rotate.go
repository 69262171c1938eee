package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/config"
	"github.com/slipway-sh/slipway/sqlstore"
)

// configKey returns the path of the key that secrets of service configuration are encrypted for.
func (o *options) configKey() string { return o.path("keys/config.key") }

func newRotateCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate-config-key",
		Short: "Encrypt all secrets of service configuration for a new key, and remove the old one",
		Long: `rotate-config-key makes a new key, DATA/keys/config.key, and encrypts the secrets of every version of service configuration for it.
slipwayd must not be running on the data directory; machines and the load balancer keep serving. It may be cut off and run again: until
its end the file has both keys. Back up the file afterwards. Who has read the old key and the database knows the secrets all the same:
then set new ones, with slipway config set.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return rotate(cmd.Context(), *o, cmd.OutOrStdout()) },
	}
	cmd.Flags().StringVar(&o.store, "store", "", "`address` of the database that has the records, as slipwayd is given it")
	return cmd
}

func rotate(ctx context.Context, o options, out io.Writer) error {
	if _, err := os.Stat(o.path("slipwayd.lock")); errors.Is(err, fs.ErrNotExist) {
		return slipway.Errorf(slipway.NotFound, "cannot rotate the key of %s: it is not the data directory of a slipwayd", o.data)
	}
	lock, err := lockDataDir(o.data)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	store, err := sqlstore.Open(ctx, o.store)
	if err != nil {
		return err
	}
	defer store.Close()
	vault, err := config.OpenVault(o.configKey())
	if err != nil {
		return err
	}
	n, err := config.Rotate(ctx, vault, store)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "encrypted the secrets of %d versions for %s; back up %s\n", n, vault.Recipient(), o.configKey())
	return nil
}
