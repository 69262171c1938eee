package cli

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-sh/slipway"
	"github.com/slipway-sh/slipway/client"
	"github.com/slipway-sh/slipway/login"
)

type loginOptions struct {
	f         *Factory
	device    bool
	noBrowser bool
	port      int
	timeout   time.Duration
}

func newLogin(f *Factory, runF func(context.Context, *loginOptions) error) *cobra.Command {
	o := &loginOptions{f: f}
	c := &cobra.Command{
		Use:   "login",
		Short: "Log in to a slipwayd, as your identity provider knows you",
		Long: `Sends your browser to the identity provider that slipwayd trusts, and keeps what that says of you in
your configuration directory, in a file that nobody else can read, one for each slipwayd. Commands show it from
then on, and get a new one when it expires, until you log out or the identity provider wants to see you again.

A token in SLIPWAY_TOKEN comes first. By slipwayd's socket no login is needed.`,
		Example: `  slipway login --server https://slipway.example.com:8443
  slipway login --device          this machine has no browser; another one has
  slipway login --no-browser      print the address instead of opening it`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.device && (o.noBrowser || c.Flags().Changed("port")) {
				return usageError{fmt.Errorf("cannot use --device with --no-browser or --port: no browser comes back to this machine")}
			}
			if runF != nil {
				return runF(c.Context(), o)
			}
			return o.run(c.Context())
		},
	}
	c.Flags().BoolVar(&o.device, "device", false, "log in with a browser on another machine, by a code to enter there")
	c.Flags().BoolVar(&o.noBrowser, "no-browser", false, "open no browser; print the address to go to")
	c.Flags().IntVar(&o.port, "port", 0, "the `port` of this machine's loopback that the browser comes back to, if the identity provider wants a certain one (default: a free one)")
	c.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long to wait for you")
	return c
}

func (o *loginOptions) run(ctx context.Context) error {
	f := o.f
	if f.local() {
		return slipway.Errorf(slipway.Refused, "cannot log in to %s: by its socket this host's root needs no login, and others cannot use it; say where else slipwayd is with --server", f.where())
	}
	ctx, stop := f.interruptible(ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	where, err := o.provider(ctx)
	if err != nil {
		return err
	}
	p, err := login.Discover(ctx, where)
	if err != nil {
		return err
	}
	var l login.Login
	if o.device {
		l, err = p.Device(ctx, o.showCode)
	} else {
		l, err = p.Browser(ctx, o.port, o.open)
	}
	if err != nil {
		return err
	}
	who, err := o.accepted(ctx, l)
	if err != nil {
		return err
	}
	l.Server, l.Name = f.where(), who.Name
	if err := f.logins().Put(ctx, l); err != nil {
		return err
	}
	if f.json {
		return f.printJSON(who)
	}
	fmt.Fprintf(f.Out, "logged in to %s as %s\n", f.where(), who.Name)
	if len(who.Grants) == 0 {
		fmt.Fprintln(f.Err, "You may do nothing yet: ask an administrator for a role.")
	}
	if l.RefreshToken == "" {
		fmt.Fprintf(f.Err, "The login is good until %s; the identity provider gives no longer ones.\n", l.Expires.Local().Format(time.DateTime))
	}
	return nil
}

// provider asks slipwayd where its users log in.
func (o *loginOptions) provider(ctx context.Context) (where slipway.LoginProvider, err error) {
	c, err := o.f.stranger()
	if err != nil {
		return where, err
	}
	defer c.Close()
	if err := c.Private(); err != nil { // whoever is between could send the user anywhere
		return where, err
	}
	if where, err = c.LoginProvider(ctx); err != nil {
		return where, err
	}
	if where.Client == "" {
		return where, slipway.Errorf(slipway.Unprepared, "cannot log in to %s: it is not said which client of %s command lines are; see --oidc-cli-client of slipwayd", o.f.where(), where.Issuer)
	}
	return where, nil
}

// stranger returns a client that shows nothing of who asks.
func (f *Factory) stranger() (*client.Client, error) {
	c, err := client.New(f.where())
	if err != nil {
		return nil, err
	}
	return c, f.trust(c)
}

// accepted returns whom slipwayd takes the login for. What it does not take is not kept.
func (o *loginOptions) accepted(ctx context.Context, l login.Login) (slipway.Whoami, error) {
	c, err := o.f.stranger()
	if err != nil {
		return slipway.Whoami{}, err
	}
	defer c.Close()
	c.Authenticate(client.Token(l.IDToken))
	return c.Whoami(ctx)
}

// open shows the address to log in at, and opens it unless that is not wanted or there is nobody who could see it.
func (o *loginOptions) open(address string) {
	opened := !o.noBrowser && o.f.Terminal && openBrowser(address) == nil
	if opened {
		fmt.Fprintf(o.f.Err, "Your browser opens to log you in. If it does not, go to\n\n  %s\n\n", address)
		return
	}
	fmt.Fprintf(o.f.Err, "To log in, go to\n\n  %s\n\nwith a browser on this machine.\n", address)
}

func (o *loginOptions) showCode(c login.Code) {
	fmt.Fprintf(o.f.Err, "To log in, go to\n\n  %s\n\nand enter the code %s", c.Address, c.Code)
	if c.Complete != "" {
		fmt.Fprintf(o.f.Err, "; or go to\n\n  %s\n\nand see that it shows the same code", c.Complete)
	}
	fmt.Fprintln(o.f.Err, ".")
}

// openBrowser opens an address in the user's browser.
func openBrowser(address string) error {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	c := exec.Command(program, address)
	if err := c.Start(); err != nil {
		return err
	}
	go func() { _ = c.Wait() }() // whatever comes of it
	return nil
}
