package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
)

func newImageSBOM(f *Factory) *cobra.Command {
	return newStatement(f, slipway.StatementSBOM, &cobra.Command{
		Use:   "sbom APPLICATION[@REF]",
		Short: "What is in an image: its bill of materials, CycloneDX",
		Long: `Print the bill of materials of an image as CycloneDX 1.6, JSON: Debian packages, the modules of Go programs, and packages of npm and
Python, each with where it was found. Its signature is verified first.`,
		Example: `  slipway image sbom hello@stable | jq -r '.components[].purl'`,
	})
}

func newImageProvenance(f *Factory) *cobra.Command {
	return newStatement(f, slipway.StatementProvenance, &cobra.Command{
		Use:   "provenance APPLICATION[@REF]",
		Short: "How an image was made, SLSA provenance",
		Long: `Print how an image was made as SLSA provenance v1, JSON: what was asked for, the digests of the build context's files, the base, the
locked packages, the source commit, the builder and the bake. Its signature is verified first.`,
		Example: `  slipway image provenance hello
  slipway image provenance hello --envelope > hello.intoto.json`,
	})
}

// newStatement completes a verb that shows what is signed about an image.
func newStatement(f *Factory, kind slipway.StatementKind, c *cobra.Command) *cobra.Command {
	var envelope bool
	c.Args = cobra.RangeArgs(1, 2)
	c.RunE = func(c *cobra.Command, args []string) error {
		ref, err := imageArgs(args)
		if err != nil {
			return err
		}
		return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
			text, err := c.Statement(ctx, ref.application, ref.ref, kind)
			if err == nil && !envelope {
				text, err = predicate(text)
			}
			if err != nil {
				return err
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, text, "", "  "); err != nil {
				return fmt.Errorf("read the statement: %w", err)
			}
			pretty.WriteByte('\n')
			_, err = pretty.WriteTo(f.Out)
			return err
		})
	}
	c.Flags().BoolVar(&envelope, "envelope", false, "print the signed statement as it is stored, a DSSE envelope, for other tools to verify")
	return c
}

// predicate returns what the statement in a DSSE envelope says.
func predicate(envelope []byte) (json.RawMessage, error) {
	var e struct {
		Payload string `json:"payload"`
	}
	var statement struct {
		Predicate json.RawMessage `json:"predicate"`
	}
	err := json.Unmarshal(envelope, &e)
	if err == nil {
		var payload []byte
		if payload, err = base64.StdEncoding.DecodeString(e.Payload); err == nil {
			err = json.Unmarshal(payload, &statement)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the statement: %w", err)
	}
	return statement.Predicate, nil
}

func newImageKeys(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "keys",
		Short: "The public keys whose signatures slipwayd trusts",
		Long: `Print the public keys whose signatures slipwayd trusts, PEM, the one that it signs with first. They are files in
DATA/keys/trusted, which may be added and removed there.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.look(c.Context(), func(ctx context.Context, c *client.Client) error {
				keys, err := c.Keys(ctx)
				if err != nil {
					return err
				}
				if f.json {
					return f.printJSON(keys)
				}
				for _, signs := range []bool{true, false} {
					for _, k := range keys {
						if k.Signs == signs {
							fmt.Fprintf(f.Out, "# %s%s\n%s", k.ID, map[bool]string{true: ", signs"}[signs], k.PEM)
						}
					}
				}
				return nil
			})
		},
	}
}
